"""What a new keeper does first: take over what an earlier one has left running."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from daybreak.backends.base import Backend, Handle, State
from daybreak.errors import DaybreakError, EngineError
from daybreak.keeper.followers import Followers
from daybreak.keeper.runs.hooks import HookRunner
from daybreak.keeper.schedules.runs import ScheduledRuns
from daybreak.keeper.wanted.desired import Target, template_alone
from daybreak.keeper.wanted.wanted_state import WantedState
from daybreak.services.service import Restart, Run, Tier
from daybreak.timeline.event import Kind
from daybreak.timeline.recorder import Recorder

UNSEEN = "ended while it was not watched"


@dataclass
class Adoption:
    """Takes over what runs. `tell_error` is for what everybody should read; `trouble` says why no state is known."""

    backend: Backend
    followers: Followers
    record: Recorder
    tell_error: Callable[[str], None]
    trouble: str
    schedules: ScheduledRuns
    hooks: HookRunner

    async def adopt(self) -> str | None:
        """Follow what runs. Returns a service that died meanwhile, where it is to be brought back."""
        try:
            handles = await self.hooks.end_left(await self.backend.observe())
        except EngineError as error:
            # Whoever asks for something is told the same.
            self.tell_error(f"nothing is looked after: {error.message}")
            return None
        desired = self.followers.desired
        if not handles and not (desired.state and (desired.state.settled or desired.state.under_way)):
            return None
        if desired.state is None:
            self._show_unknown(handles, self.trouble)
            return None
        try:
            target = await desired.target(desired.state)
            target = template_alone(target) if _is_warm(desired.state, handles) else target
            desired.become(target)
        except DaybreakError as error:
            self._show_unknown(handles, f"the stored spec cannot be used: {error.message}")
            return None
        handles = self.followers.here(handles)
        # Where nothing runs although it should, it has ended while nobody watched.
        self._follow(handles, target)
        missing = self._missing(handles, target) if target.state.settled else frozenset()
        for name in sorted(missing.intersection(handle.service for handle in handles)):
            # Nobody saw it; whoever follows has to know it before anything is done about it.
            self.record.emit(Kind.EXITED, name, exit_code=None, reason=UNSEEN)
        await self.schedules.adopt(handles)
        self.followers.page.open_soon()
        return min(missing, default=None)

    def _missing(self, handles: Sequence[Handle], target: Target) -> frozenset[str]:
        """What is wanted, and does not run."""
        supervisor = self.followers.supervisor
        running = {handle.service for handle in handles if handle.state is not State.BROKEN}
        steady = frozenset(service.name for service in target.cluster.services if service.run is Run.STEADY)
        return steady - running - supervisor.given_up - supervisor.stopped

    def _follow(self, handles: Sequence[Handle], target: Target) -> None:
        self.followers.want(target.cluster)
        self.followers.supervisor.given_up |= set(target.state.given_up)
        running = [handle for handle in handles if handle.state is not State.BROKEN]
        begun = target.state.under_way
        proven = begun.proven if begun else ()
        by_name = {service.name: service for service in target.cluster.services}
        there = {handle.service for handle in running}
        for handle in running:
            # What a run that was cut off has started may never have been ready: whoever finishes it finds out. And
            # what has lost what it shares its fate with, such as a deployment its head, is of no use.
            known = {"pid": handle.pid, "instance": handle.instance, "done": handle.done}
            whole = handle.service not in by_name or by_name[handle.service].ends_with() <= there
            ready = whole and (target.state.settled or handle.instance in proven)
            self.record.emit(Kind.ADOPTED, handle.service, **known, ready=ready)
        self.followers.observed(running)
        self._give_up_ended(handles)

    def _show_unknown(self, handles: Sequence[Handle], why: str) -> None:
        """What runs without a usable spec is not looked after, but it is there, and `down` ends it."""
        self.tell_error(why)
        for handle in handles:
            self.record.emit(Kind.ADOPTED, handle.service, pid=handle.pid, instance=handle.instance, ready=False)
        self.followers.board.observe(list(handles))

    def _give_up_ended(self, handles: Sequence[Handle]) -> None:
        """A service that is never to be restarted stays as it ended, also where nobody saw it end."""
        given_up = self.followers.supervisor.given_up
        cluster = self.followers.desired.cluster
        broken = {handle.service for handle in handles if handle.state is State.BROKEN}
        for service in cluster.services if cluster else ():
            if service.name in broken and service.restart is Restart.NEVER:
                given_up.add(service.name)
            if service.name in given_up:
                reason = UNSEEN if service.name in broken else "ended earlier"
                self.record.emit(Kind.EXITED, service.name, exit_code=None, reason=reason)
        self.followers.remember_given_up()


def _is_warm(state: WantedState, handles: Sequence[Handle]) -> bool:
    """Was the template alone left, by `prewarm` or `down --keep-warm`?"""
    left = bool(handles) and all(handle.tier == Tier.WARM for handle in handles)
    return left and not state.settled and state.under_way is None
