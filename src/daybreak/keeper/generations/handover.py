"""One generation of the app tier replaces another one, beside which it has started: see `run/handover.py`."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from daybreak.backends.base import Backend, Handle
from daybreak.keeper.followers import Followers
from daybreak.keeper.gateway.ending import cut_off, let_end
from daybreak.keeper.gateway.runtime_socket import GatewaySilent, InFlight
from daybreak.keeper.generations.rehearsal import Rehearsal
from daybreak.keeper.generations.warm_up import warm_up
from daybreak.keeper.wanted.desired import Target
from daybreak.keeper.wanted.wanted_state import Kept
from daybreak.names import GATEWAY
from daybreak.run.plan import Plan
from daybreak.services.edge.gateway import runtime_socket
from daybreak.services.ray.addresses import upstream_url
from daybreak.services.service import Tier
from daybreak.services.slots import Slot
from daybreak.timeline.event import Event, Kind
from daybreak.timeline.recorder import Listener, Recorder

# What else must be well before requests go to a new generation: it is told where the old one and the new one answer (a
# URL without a path each), and where to record what it finds. It raises DaybreakError to refuse.
BeforeSwitch = Callable[[str, str, Recorder], Awaitable[None]]

# How a generation that is not to end is kept, told of what there is of it.
Keep = Callable[[Sequence[Handle]], Awaitable[Kept]]
# How a part of the requests goes to the new generation first, told of the old one and the new one. It raises
# DaybreakError to refuse that one.
Trial = Callable[[Target, Target, Recorder], Awaitable[None]]


@dataclass
class Replacement:
    """The one of `before` is replaced by `target`. Where `keep` is given it tells, of what there is of the old one, how
    that is kept; else it ends. With a `rehearsal` it is asked the last requests first, with a `canary` requests go over
    in parts."""

    followers: Followers
    backend: Backend
    before: Target
    target: Target
    before_switch: Sequence[BeforeSwitch] = ()
    keep: Keep | None = None
    rehearsal: Rehearsal | None = None
    canary: Trial | None = None
    committed: bool = False
    _run: Recorder | None = field(default=None, repr=False)
    # Those who follow what serves, and nothing else.
    _others: list[Listener] = field(default_factory=list, repr=False)

    def listeners(self, everybody: Sequence[Listener], witnesses: Sequence[Listener], steps: Plan) -> list[Listener]:
        """Who hears of the run: what becomes of a generation that does not serve yet is told to the `witnesses` alone,
        since everybody else follows the one that does."""
        beside = {step.service.name for step in steps.start if step.service.tier is Tier.APP and not step.behind}
        cluster = self.target.cluster
        # The templates of its containers hold back what can wait, until they are told.
        template = self.followers.template.beside(cluster) if cluster.site.engine else None

        def hear(event: Event) -> None:
            new = event.service in beside and not self.committed
            for listener in witnesses if new else everybody:
                listener(event)
            if template and (new or event.kind is Kind.PLANNED):
                template.follow(event)

        self._others = [listener for listener in everybody if listener not in witnesses]
        return [hear]

    def begin(self, record: Recorder) -> None:
        """The run records there."""
        self._run = record

    # --- the handover -------------------------------------------------------------------------------------------------

    async def switch(self) -> None:
        """Raises DaybreakError where the new generation had better not serve."""
        assert self._run
        old, new = self.upstreams
        await warm_up(self.target.cluster, old, new)
        for look in self.before_switch:
            await look(old, new, self._run)
        if self.rehearsal:
            await self.rehearsal(old, new, self._run)
        if self.canary:
            await self.canary(self.before, self.target, self._run)
        await self.turn()

    @property
    def upstreams(self) -> tuple[str, str]:
        """Where the old generation and the new one answer."""
        old, new = (upstream_url(one.cluster.spec, one.cluster.site) for one in (self.before, self.target))
        return old, new

    @property
    def rehearsed(self) -> int | None:
        """With how many requests; None where nobody has asked for that."""
        return self.rehearsal.rehearsed if self.rehearsal else None

    async def turn(self) -> None:
        """Requests go to the new generation. Raises GatewaySilent."""
        assert self._run
        await self.followers.gateway.turn_to(self.target.cluster, leaves=True)
        self._run.emit(Kind.NOTE, GATEWAY, text=f"requests go to generation {self.target.state.generation}")

    async def switch_back(self) -> None:
        """Requests go to the old generation again; what the new one has begun it ends."""
        with contextlib.suppress(GatewaySilent):
            await self.followers.gateway.turn_to(self.before.cluster, leaves=True)
            await self._drained(self.target.state.slot)

    async def drain(self) -> None:
        """WebSockets are closed soon, and what does not end in time is told, and will be cut off."""
        left, closed = await self._drained(self.before.state.slot)
        if closed and self._run:
            text = f"{closed} WebSockets to generation {self.before.state.generation} were closed: their clients return"
            self._run.emit(Kind.NOTE, GATEWAY, text=text)
        kinds = ((left.requests, "requests are", "error"), (left.websockets, "WebSockets are", "info"))
        for count, what, level in kinds:
            if count and self._run:
                text = f"{count} {what} still open in generation {self.before.state.generation}, and cut off"
                self._run.emit(Kind.NOTE, GATEWAY, text=text, level=level)

    async def commit(self, started: Sequence[Handle]) -> None:
        """Raises PreflightError where that cannot be kept: then the old generation stays."""
        observed = await self.backend.observe()
        old = [handle for handle in observed if handle.tier == Tier.APP and handle.slot is self.before.state.slot]
        kept = await self.keep(old) if self.keep else None
        # From here on nothing is waited for: no Ctrl-C comes between the stored state and who is told of it.
        self.followers.take_over(self.target.with_state(settled=True, kept=kept))
        self.committed = True
        others = Recorder(self._others)
        done = {handle.instance for handle in observed if handle.done}
        for handle in started:
            if handle.tier == Tier.APP:
                known = {"pid": handle.pid, "instance": handle.instance, "done": handle.instance in done}
                others.emit(Kind.ADOPTED, handle.service, **known, ready=True)
        self.followers.observed(observed)

    async def end(self) -> None:
        """Whichever generation is left, requests go to that one alone."""
        now = self.target if self.committed else self.before
        with contextlib.suppress(GatewaySilent):  # it is told as soon as it can be
            await self.followers.gateway.turn_to(now.cluster, leaves=False)
            if self.committed and self.keep:
                # What does not go on cuts nobody off by itself.
                await cut_off(runtime_socket(now.cluster.site), self.before.state.slot)

    async def _drained(self, slot: Slot) -> tuple[InFlight, int]:
        """Wait for requests and WebSockets of a slot; returns those that are left, and how many WebSockets were closed.
        Those of a gateway that has just ended are gone."""
        try:
            return await let_end(self.before.cluster, slot)
        except GatewaySilent:
            return InFlight(), 0
