"""`down`: whatever is under way is cancelled, and everything stopped; data is deleted where that is asked for."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import Any

from daybreak.backends.process.purging import DELETED
from daybreak.errors import DaybreakError, UsageError
from daybreak.keeper.backends.both_backends import DOCKER, Backends
from daybreak.keeper.control.owner import NOBODY
from daybreak.keeper.control.request import Request
from daybreak.keeper.control.subscribers import Subscribers
from daybreak.keeper.followers import Followers
from daybreak.keeper.generations.kept import Keeping
from daybreak.keeper.housekeeping.runtime_cleanup import clean_runtime
from daybreak.keeper.runner import Operation, Runner
from daybreak.keeper.runs.hooks import HookRunner
from daybreak.keeper.runs.measured_runs import MeasuredRuns
from daybreak.keeper.wanted import environment
from daybreak.keeper.wanted.desired import Target, template_alone
from daybreak.keeper.wanted.wanted_state import Errand, UnderWay
from daybreak.paths import ClusterPaths
from daybreak.run.change import Change
from daybreak.run.reconcile import reconcile
from daybreak.services.service import MountKind
from daybreak.timeline.event import Kind, RunKind
from daybreak.timeline.recorder import Recorder


@dataclass
class Down:
    """Stops the cluster."""

    paths: ClusterPaths
    backends: Backends
    followers: Followers
    runner: Runner
    measured: MeasuredRuns
    record: Recorder
    subscribers: Subscribers
    keeping: Keeping
    hooks: HookRunner

    async def __call__(self, request: Request, operation: Operation) -> dict[str, Any]:
        self._require_a_template(request)
        self.followers.supervisor.forgive()
        self.runner.cancel_others(operation, "`daybreak down`" + (f" (pid {request.pid})" if request.pid else ""))
        async with self.runner.turn(operation):
            cluster = self.followers.desired.cluster if request.hooks else None
            await self.hooks.before("down", cluster, operation)
            done = await self.stop(request, operation)
            await self.hooks.after("down", cluster, operation)
            return done

    async def stop(self, request: Request, operation: Operation) -> dict[str, Any]:
        """For an operation that has its turn. Killed in the middle it is finished by the next keeper, but for what was
        to be deleted: that needs somebody who asks for it."""
        desired = self.followers.desired
        warm = await self._kept_warm(request)
        self.followers.supervisor.forgive()
        # The next start is one of what the folder has.
        desired.change(settled=False, rolled_back=None, under_way=UnderWay(Errand.STOP, operation.pid))
        await self.keeping.end("everything is stopped")
        if desired.state and not desired.cluster:
            with contextlib.suppress(DaybreakError):
                desired.cluster = (await desired.target(desired.state)).cluster
        done = await self._stop_everything(operation, warm)
        stays = bool(done)
        if request.volumes:
            done["deleted"] = await self._purge()
        self.followers.end()
        if warm and stays:
            await self._stay_warm(warm)
            return {**done, "status": self.measured.snapshot().to_json()}
        await asyncio.to_thread(clean_runtime, self.paths.runtime, frozenset([self.paths.socket.name]))
        desired.change(under_way=None, warm_until=None)
        return done

    # --- all but the template -----------------------------------------------------------------------------------------

    def _require_a_template(self, request: Request) -> None:
        """Raises UsageError where there is none that could be kept."""
        state = self.followers.desired.state
        if request.keep_warm is None or state is None:
            return
        why = "in containers each node has a template of its own" if state.spec.backend == DOCKER else ""
        if not state.spec.warm.enabled:
            why = "the warm start is switched off in the spec"
        if why:
            raise UsageError(f"nothing can be kept warm: {why}; nothing was stopped", hint="daybreak down")

    async def _kept_warm(self, request: Request) -> Target | None:
        """The template alone, as it is wanted from now on; None where everything ends. Raises DaybreakError where it
        cannot be told what that is, before anything is stopped."""
        desired = self.followers.desired
        if request.keep_warm is None or desired.state is None:
            return None
        until = time.time() + request.keep_warm
        state = desired.state.with_changes(settled=False, rolled_back=None, under_way=None, warm_until=until)
        return template_alone(await desired.target(state))

    async def _stay_warm(self, target: Target) -> None:
        """Look after the template, and nothing else."""
        self.followers.take_over(target)
        # With the last service it was forgotten: a template that crashes is started with it again.
        environment.save(self.paths.environment, target.environment)
        handles = await self.backends.observe()
        for handle in handles:
            self.record.emit(Kind.ADOPTED, handle.service, pid=handle.pid, instance=handle.instance, ready=True)
        self.followers.observed(handles)

    # --- stopping -----------------------------------------------------------------------------------------------------

    async def _stop_everything(self, operation: Operation, warm: Target | None) -> dict[str, Any]:
        """A measured run, of all but what stays `warm`; where the stored spec cannot be used any more, everything is
        stopped all the same."""
        observed = await self.backends.observe()
        if not observed:
            return {}
        change = Change(warm.cluster.services if warm else ())
        steps = change.plan(observed)
        if cluster := self.followers.desired.cluster:
            return await self.measured.carry_out(operation, RunKind.STOP, steps, change, cluster)
        with self.subscribers.told(operation.client):
            await reconcile(steps, change, self.backends, self.record, self.paths.logs)
        return {}

    async def _purge(self) -> list[str]:
        """Delete the databases' data; returns whose. The cluster is nobody's from now on."""
        names = [folder.name for folder in self.paths.data.iterdir() if not folder.name.startswith(DELETED)]
        names += [name for name in self._stored_in_volumes() if name not in names]
        await self.backends.purge(names)
        NOBODY.save(self.paths)
        return names

    def _stored_in_volumes(self) -> list[str]:
        """The services of the last spec whose data a Docker engine keeps."""
        cluster = self.followers.desired.cluster
        services = cluster.services if cluster else ()
        containers = [(service.name, service.container.mounts) for service in services if service.container]
        return [name for name, mounts in containers if any(mount.kind is MountKind.VOLUME for mount in mounts)]
