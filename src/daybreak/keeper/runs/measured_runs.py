"""Measured runs: what changes the cluster is recorded from its begin to its end, however it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

from daybreak.backends.base import Backend, Handle
from daybreak.errors import DaybreakError, Interrupted
from daybreak.keeper.control.subscribers import Subscribers
from daybreak.keeper.followers import Followers
from daybreak.keeper.gateway.traffic import Window
from daybreak.keeper.runner import Operation
from daybreak.keeper.runs.preflight import preflight
from daybreak.keeper.runs.run_records import Runs
from daybreak.keeper.runs.still_running import still_running
from daybreak.names import GATEWAY
from daybreak.paths import ClusterPaths
from daybreak.run.change import Change
from daybreak.run.handover import Handover
from daybreak.run.plan import Plan
from daybreak.run.reconcile import reconcile
from daybreak.run.uninterrupted import uninterrupted
from daybreak.services.build import Cluster
from daybreak.timeline.event import Kind, Outcome, RunKind
from daybreak.timeline.receipt import Receipt
from daybreak.timeline.recorder import Listener, Recorder
from daybreak.timeline.status import Snapshot

# What may cost requests, and is told as having cost none.
COUNTED = (RunKind.RESTART, RunKind.CHANGE)


class MeasuredHandover(Handover, Protocol):
    """A generation that starts beside the one that serves, and what is recorded of that."""

    @property
    def rehearsed(self) -> int | None:
        """With how many requests it was rehearsed; None where nobody has asked for that."""

    def listeners(self, everybody: Sequence[Listener], witnesses: Sequence[Listener], steps: Plan) -> list[Listener]:
        """Who hears of the run."""

    def begin(self, record: Recorder) -> None:
        """The run records there."""


@dataclass
class MeasuredRuns:
    """Carries out plans for operations that have their turn. `snapshot` is the status that a run ends with. `listeners`
    hear of every event; the `witnesses` among them also of a generation that does not serve yet."""

    paths: ClusterPaths
    backend: Backend
    runs: Runs
    followers: Followers
    subscribers: Subscribers
    listeners: list[Listener]
    witnesses: list[Listener]
    snapshot: Callable[[], Snapshot]

    async def carry_out(
        self,
        operation: Operation,
        kind: RunKind,
        steps: Plan,
        change: Change,
        cluster: Cluster,
        replacement: MeasuredHandover | None = None,
    ) -> dict[str, Any]:
        """Carry out one plan, and tell the operation's client about it. `replacement` leads over where a generation
        starts beside another one. Returns a summary.

        Raises what the run has failed with, Interrupted where the operation was cancelled.
        """
        warm = cluster.spec.warm.enabled and self.followers.template.is_warm()
        details = self.runs.describe(cluster.spec, cluster.site, warm=warm, way=change.way and str(change.way))
        run = self.runs.begin(kind, details)
        record = self._recorder(run, steps, replacement)
        operation.kind = kind
        with self.subscribers.told(operation.client):
            record.emit(
                Kind.RUN_BEGAN, None, run_kind=str(kind), workers=cluster.spec.workers.count, **details.to_json()
            )
            window = self.followers.traffic.begin() if kind in COUNTED else None
            error = await self._error_of(operation, kind, steps, change, record, replacement)
            operation.kind = None
            duration_s = record.elapsed_s()
            message = error.message if isinstance(error, DaybreakError) else None
            outcome = _outcome(error)
            receipt = await uninterrupted(self._receipt(window, steps, error, replacement)) if window else None
            counted = {"receipt": receipt.to_json()} if receipt else {}
            record.emit(Kind.RUN_ENDED, None, outcome=str(outcome), error=message, duration_s=duration_s, **counted)
            self.runs.end(run, outcome, duration_s, message, receipt)
        if error:
            if change.keep_on_failure and kind is not RunKind.RECOVERY:
                # Before anybody watches it: what never came up is tried again with the next command.
                self.followers.give_up_failed()
            await self._look_after(error, cluster)
            raise error
        return {"run": run, "duration_s": duration_s, "status": self.snapshot().to_json(), **counted}

    async def _look_after(self, error: BaseException, cluster: Cluster) -> None:
        """Watch what a run that has failed has left, and add it to the error."""
        observed = await uninterrupted(self._look())
        if isinstance(error, DaybreakError):
            error.aftermath = still_running(cluster.services, observed)

    def _recorder(self, run: int, steps: Plan, replacement: MeasuredHandover | None) -> Recorder:
        if replacement is None:
            return Recorder(self.listeners, run)
        record = Recorder(replacement.listeners(self.listeners, self.witnesses, steps), run)
        replacement.begin(record)
        return record

    async def _error_of(
        self,
        operation: Operation,
        kind: RunKind,
        steps: Plan,
        change: Change,
        record: Recorder,
        replacement: MeasuredHandover | None,
    ) -> BaseException | None:
        """What the run has failed with; None where it has not."""

        async def finish() -> None:
            # A part of the run: a cancellation that comes only now undoes it as well.
            if kind is not RunKind.STOP:
                await self.followers.page.open()
            # What became ready early may have ended since: a run does not end with a word that is not true any more.
            await self.followers.supervisor.watches.told(await self._look())

        recovers = kind is RunKind.RECOVERY
        try:
            if operation.cancelled:
                raise Interrupted("interrupted; nothing was changed")
            if recovers:
                await asyncio.to_thread(preflight, steps, self.paths.root)
            await self.followers.gateway.before(steps, record)
            await self.followers.draining.before(steps, partial(_tell, record, operation), recovers=recovers)
            logs = self.paths.logs
            await reconcile(steps, change, self.backend, record, logs, finish=finish, handover=replacement)
        except asyncio.CancelledError:
            return Interrupted("interrupted; nothing was changed")
        except BaseException as error:
            return error
        return None

    async def _receipt(
        self, window: Window, steps: Plan, error: BaseException | None, replacement: MeasuredHandover | None
    ) -> Receipt:
        """What was counted until now. What has failed lets nobody go."""
        counted = await window.end(0 if error else await self.followers.gateway.let_go())
        complete = any(handle.service == GATEWAY for handle in steps.keep)
        return replace(counted, complete=complete, rehearsed=replacement.rehearsed if replacement else None)

    async def _look(self) -> Sequence[Handle]:
        """Watch what is there now."""
        observed = self.followers.here(await self.backend.observe())
        self.followers.observed(observed)
        return observed


def _tell(record: Recorder, operation: Operation, service: str, text: str, level: str = "info") -> None:
    """In the timeline, and to whoever waits for the run."""
    record.emit(Kind.NOTE, service, text=text, level=level)
    operation.note(f"{service}: {text}")


def _outcome(error: BaseException | None) -> Outcome:
    if error is None:
        return Outcome.OK
    return Outcome.INTERRUPTED if isinstance(error, Interrupted) else Outcome.FAILED
