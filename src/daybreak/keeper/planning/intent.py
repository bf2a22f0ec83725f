"""What a request means, given what was wanted before and what runs. Pure: no clock, no process, no file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from daybreak.backends.base import Handle, State
from daybreak.errors import NotRunning, UsageError
from daybreak.keeper.control.request import Request
from daybreak.keeper.wanted.wanted_state import WantedState
from daybreak.services.handed import Handed
from daybreak.services.ray.cpus import is_alone, sharing
from daybreak.services.service import Tier
from daybreak.services.slots import Slot
from daybreak.spec.groups import Counts, kept_counts, with_counts
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
            request.given,
            generation=before.generation if before else 0,
            backend=before.backend if before else None,
            profiles=tuple(request.profiles or ()),
            handed=before.handed if before else Handed(),
            slot=before.slot if before else Slot.A,
            alone=before.alone if before else False,
            sharing=before.sharing if before else 0,
            version=before.version if before else None,
            stopped=_stopped(request, before),
        )
    else:
        assert before is not None
        state = _as_stored(request, before)
    workers, spec = _counted(request, before, state.spec)
    given = state.given and _counted(request, before, state.given)[1]
    backend = request.backend or state.backend
    if request.left is not None:
        state = state.with_changes(version=request.version, rolled_back=request.left)
    if backend is not None:
        spec = spec.model_copy(update={"backend": backend})
        given = given and given.model_copy(update={"backend": backend})
    settled = {"settled": False, "under_way": None, "given_up": (), "kept": None, "warm_until": None}
    return state.with_changes(spec=spec, given=given, workers=workers, backend=backend, **settled)


def _as_stored(request: Request, before: WantedState) -> WantedState:
    """The stored state; for `up` without what `dev` has added."""
    # What a restart starts anew is started as the source is now; else an edit replaces no head.
    affinity = None if request.restart else before.affinity
    state = before.with_changes(base=request.base or before.base, affinity=affinity, stopped=_stopped(request, before))
    return state.with_changes(spec=before.given, given=None) if before.given and _is_up(request) else state


def _counted(request: Request, before: WantedState | None, spec: Spec) -> tuple[Counts | None, Spec]:
    """The counts that were given beside the spec, and the spec with them. Where nothing else is asked for than other
    counts, those of the groups that are not named stay as they are.

    Raises UsageError where they cannot be meant.
    """
    given = before.workers if before else None
    if request.workers is None:
        if given is None or not request.keep_workers:
            return None, spec
        return given, spec.model_copy(update={"workers": kept_counts(spec.workers, given)})
    try:
        changed = with_counts(spec.workers, request.workers)
    except ValueError as error:
        raise UsageError(str(error)) from None
    counts: Counts = request.workers
    if request.spec is None and isinstance(given, Mapping) and isinstance(counts, Mapping):
        counts = {**given, **counts}
    return counts, spec.model_copy(update={"workers": changed})


def _stopped(request: Request, before: WantedState | None) -> tuple[str, ...]:
    """What the user has stopped stays so until `up`, or until it is named. A plan is that of what it looks at."""
    return () if before is None or _is_up(request) else before.stopped


def _is_up(request: Request) -> bool:
    return request.op in ("apply", "plan") and not (request.restart or request.only_running or request.changed_only)


def intent(request: Request, state: WantedState, observed: Sequence[Handle]) -> Intent:
    """How the wanted state is reached from what was observed. Raises NotRunning where the request needs what runs."""
    runs = any(handle.tier == Tier.APP and handle.state is State.RUNNING for handle in observed)
    if request.only_running and not runs:
        raise NotRunning(state.spec.name)
    kind = RunKind.RESTART if request.restart else RunKind.CHANGE if runs else RunKind.STARTUP
    renews = request.restart or not runs
    # Where the stored state was lost, what it had started is not: the newest is told by its generation.
    # A worker more, or less, changes nothing for the nodes that run.
    alone, among = (state.alone, state.sharing) if runs else (is_alone(state.spec), 0)
    known = max([state.generation, *(handle.generation for handle in observed)])
    return Intent(
        # People know the ports of the first slot: a start begins there.
        state.with_changes(
            generation=known + int(renews),
            slot=state.slot if runs else Slot.A,
            alone=alone,
            sharing=among or sharing(state.spec),
        ),
        kind,
        renews,
    )
