"""A backend that runs nothing: it passes the contract suite of the real ones, in no time.

Commands are scripts of what a service does: `Script(exits_after_s=..., code=...)`. Times pass on the event loop's
clock, so a `daybreak.testing.clock` loop makes them jump.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from daybreak.backends.base import CommandResult, Exit, Handle, Stopped
from daybreak.errors import DaybreakError, ServiceDied
from daybreak.services.service import Service


@dataclass(frozen=True)
class Script:
    """What a fake service does; durations in seconds of the loop's clock.

    `refuses` makes the start itself fail, `stuck` every stop. `exits_after_s` None means it runs until it is stopped.
    `commands` answers `run` by the command's first word; what is not listed succeeds.
    """

    exits_after_s: float | None = None
    code: int = 0
    stops_after_s: float = 0.0
    refuses: bool = False
    stuck: bool = False
    commands: Mapping[str, CommandResult] = field(default_factory=dict)


class FakeBackend:
    """Keeps instances in memory; `log` lists every call in order."""

    def __init__(self, scripts: Mapping[str, Script] | None = None) -> None:
        self.scripts = dict(scripts or {})
        self.log: list[str] = []
        self.frozen: set[str] = set()
        self._running: dict[str, Handle] = {}
        self._ends: dict[str, asyncio.Future[Exit]] = {}
        self._next_pid = 1000

    def script(self, service: str) -> Script:
        return self.scripts.get(service, Script())

    async def start(self, service: Service, *, instance: str, generation: int, bound: Mapping[str, str]) -> Handle:
        script = self.script(service.name)
        self.log.append(f"start {service.name}" + (" as it was" if service.comes_back else ""))
        if script.refuses:
            raise ServiceDied(f"{service.name} could not be started", service=service.name)
        loop = asyncio.get_running_loop()
        self._next_pid += 1
        handle = Handle.started(
            service,
            instance,
            generation,
            bound,
            at_wall=loop.time(),
            pid=self._next_pid,
            started_ticks=0,
            boot_id="fake",
        )
        self._running[instance] = handle
        self._ends[instance] = loop.create_future()
        if script.exits_after_s is not None:
            loop.call_later(script.exits_after_s, self.end, handle, script.code)
        return handle

    def end(self, handle: Handle, code: int) -> None:
        """Let an instance end by itself, as a crash does."""
        if handle.instance not in self._running or self._ends[handle.instance].done():
            return
        self._ends[handle.instance].set_result(Exit(code, f"exited with code {code}"))
        self._running[handle.instance] = handle.ended(clean=code == 0)

    def lose(self, handle: Handle, process: str) -> None:
        """Let one of its vital processes end, while the main one goes on."""
        self._ends[handle.instance].set_result(Exit(None, f"lost its {process} process"))

    async def stop(self, handle: Handle) -> Stopped:
        if handle.instance in self._running:
            self.log.append(f"stop {handle.service}")
            if self.script(handle.service).stuck:
                raise DaybreakError(f"{handle.service}: processes do not end even when killed")
            after_s = self.script(handle.service).stops_after_s
            await asyncio.sleep(after_s)
            self._running.pop(handle.instance, None)
            self.frozen.discard(handle.instance)
            end = self._ends.get(handle.instance)
            if end is not None and not end.done():
                end.set_result(Exit(-15, "was killed by SIGTERM"))
            return Stopped(after_s, 0)
        return Stopped(0.0, 0)

    async def freeze(self, handles: Sequence[Handle]) -> None:
        there = [handle for handle in handles if handle.instance in self._running]
        self.log += [f"freeze {handle.service}" for handle in there if handle.instance not in self.frozen]
        self.frozen.update(handle.instance for handle in there)

    async def thaw(self, handles: Sequence[Handle]) -> None:
        self.log += [f"thaw {handle.service}" for handle in handles if handle.instance in self.frozen]
        self.frozen.difference_update(handle.instance for handle in handles)

    async def exited(self, handle: Handle) -> Exit:
        return await asyncio.shield(self._ends[handle.instance])

    async def observe(self) -> Sequence[Handle]:
        return list(self._running.values())

    async def run(self, service: Service, argv: Sequence[str], *, timeout_s: float) -> CommandResult:
        self.log.append(f"run {service.name}: {argv[0]}")
        return self.script(service.name).commands.get(argv[0], CommandResult(0, ""))

    async def purge(self, services: Sequence[str]) -> None:
        self.log += [f"purge {name}" for name in services]
