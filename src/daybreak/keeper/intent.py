"""What a request means, given what was wanted before and what runs. Pure: no clock, no process, no file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from daybreak.backends.base import Handle, State
from daybreak.errors import NotRunning, UsageError
from daybreak.keeper.request import Request
from daybreak.keeper.wanted import WantedState
from daybreak.services.service import Tier
from daybreak.services.slots import Slot
from daybreak.spec.model import Spec
from daybreak.timeline.event import RunKind


@dataclass(frozen=True)
class Intent:
    """The state that is wanted, and by which kind of run.

    `renews`: a new generation of the app tier begins, with the environment of the command that asks for it.
    """

    state: WantedState
    kind: RunKind
    renews: bool = False

    def elsewhere(self) -> Intent:
        """The same in the other slot."""
        return replace(self, state=self.state.with_changes(slot=self.state.slot.other))

    def in_this_generation(self) -> Intent:
        """The same without a new generation: Ray's nodes stay."""
        return replace(self, state=self.state.with_changes(generation=self.state.generation - 1), renews=False)


def wanted_by(request: Request, before: WantedState | None) -> WantedState:
    """The state that is wanted: the request's spec, or the stored one, with what the request changes.

    Raises UsageError where there is neither.
    """
    if request.spec is None and before is None:
        raise UsageError("this cluster has never been started", hint="start it with `daybreak up`")
    if request.spec is not None:
        state = WantedState(
            request.spec,
            str(request.base),
            request.source,
            generation=before.generation if before else 0,
            backend=before.backend if before else None,
            slot=before.slot if before else Slot.A,
            version=before.version if before else None,
        )
    else:
        assert before is not None
        # What a restart starts anew is started as the source is now; else an edit replaces no head.
        affinity = None if request.restart else before.affinity
        state = before.with_changes(base=request.base or before.base, affinity=affinity)
    workers = request.workers
    if workers is None and request.keep_workers and before:
        workers = before.workers
    backend = request.backend or state.backend
    if request.left is not None:
        state = state.with_changes(version=request.version, rolled_back=request.left)
    spec = _with_options(state.spec, workers, backend)
    settled = {"settled": False, "under_way": None, "given_up": (), "kept": None}
    return state.with_changes(spec=spec, workers=workers, backend=backend, **settled)


def _with_options(spec: Spec, workers: int | None, backend: str | None) -> Spec:
    if workers is not None:
        spec = spec.model_copy(update={"workers": spec.workers.model_copy(update={"count": workers})})
    return spec if backend is None else spec.model_copy(update={"backend": backend})


def intent(request: Request, state: WantedState, observed: Sequence[Handle]) -> Intent:
    """How the wanted state is reached from what was observed. Raises NotRunning where the request needs what runs."""
    runs = any(handle.tier == Tier.APP and handle.state is State.RUNNING for handle in observed)
    if request.only_running and not runs:
        raise NotRunning(state.spec.name)
    kind = RunKind.RESTART if request.restart else RunKind.CHANGE if runs else RunKind.STARTUP
    renews = request.restart or not runs
    # Where the stored state was lost, what it had started is not: the newest is told by its generation.
    known = max([state.generation, *(handle.generation for handle in observed)])
    return Intent(
        # People know the ports of the first slot: a start begins there.
        state.with_changes(generation=known + int(renews), slot=state.slot if runs else Slot.A),
        kind,
        renews,
    )
