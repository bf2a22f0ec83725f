"""Following what runs: a death is noticed at once, a service that stays unhealthy is replaced, with back-off."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from daybreak.backends.base import Backend, Exit, Handle, State
from daybreak.health.checks import NotYet, Ready, attempt
from daybreak.services.base import HealthPolicy, Restart, Service
from daybreak.timeline.event import Kind
from daybreak.timeline.recorder import Recorder

BACKOFF_S = (0.0, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
# After running this long, an earlier crash no longer counts.
STEADY_S = 60.0
# While a service fails its checks it is asked so often: users want to see when it is well again.
RECHECK_S = 1.0


@dataclass
class Crashes:
    """How often a service has crashed in a row, and when it was last started (loop seconds)."""

    count: int = 0
    started_s: float = 0.0


class Supervisor:
    """Watches handles; asks for recovery through `recover(service, replace)` after the back-off.

    `replace` says that a running but unhealthy service must be started anew.
    """

    def __init__(
        self,
        backend: Backend,
        record: Recorder,
        recover: Callable[[str, bool], Awaitable[None]],
        on_given_up: Callable[[], None] = lambda: None,
    ) -> None:
        self._backend = backend
        self._record = record
        self._recover = recover
        self._on_given_up = on_given_up
        self._watchers: dict[str, tuple[Handle, list[asyncio.Task[None]]]] = {}
        self._crashes: dict[str, Crashes] = {}
        self._pending: dict[str, asyncio.Task[None]] = {}
        self.given_up: set[str] = set()

    def sync(self, services: Sequence[Service], handles: Sequence[Handle]) -> None:
        """Watch exactly these handles."""
        by_name = {service.name: service for service in services}
        current = {handle.instance: handle for handle in handles if handle.service in by_name}
        for instance in [known for known in self._watchers if known not in current]:
            self._forget_instance(instance)
        now = asyncio.get_running_loop().time()
        for instance, handle in current.items():
            if instance not in self._watchers:
                self._crashes.setdefault(handle.service, Crashes()).started_s = now
                self._watchers[instance] = (handle, self._watch(by_name[handle.service], handle))

    def forget(self, service: str) -> None:
        """Stop watching: the service is being stopped on purpose."""
        for instance, (handle, _) in list(self._watchers.items()):
            if handle.service == service:
                self._forget_instance(instance)

    def give_up(self, services: AbstractSet[str]) -> None:
        """Leave these as they are until the user's next command."""
        self.given_up |= services
        for service in services:
            self.forget(service)

    def forgive(self) -> None:
        """A command of the user starts over: no back-off, nothing given up."""
        self._crashes.clear()
        self.given_up.clear()
        for task in self._pending.values():
            task.cancel()
        self._pending.clear()

    def close(self) -> None:
        for instance in list(self._watchers):
            self._forget_instance(instance)
        for task in self._pending.values():
            task.cancel()

    def retry(self, service: str) -> None:
        """A recovery of this service failed: try again after the next back-off."""
        if service not in self.given_up:
            self._schedule(service, replace=False)

    def _forget_instance(self, instance: str) -> None:
        _, tasks = self._watchers.pop(instance)
        for task in tasks:
            if task is not asyncio.current_task():
                task.cancel()

    def _watch(self, service: Service, handle: Handle) -> list[asyncio.Task[None]]:
        tasks: list[asyncio.Task[None]] = []
        if handle.done:
            return tasks
        if handle.state is not State.COMPLETED:
            tasks.append(asyncio.create_task(self._watch_end(service, handle), name=f"end of {service.name}"))
        if service.health.check is not None:
            tasks.append(asyncio.create_task(self._watch_health(service, handle), name=f"health of {service.name}"))
        return tasks

    async def _watch_end(self, service: Service, handle: Handle) -> None:
        end = await self._backend.exited(handle)
        self._forget_instance(handle.instance)
        if handle.ended(clean=end.clean).done:
            self._record.emit(Kind.COMPLETED, service.name)
            return
        self._record.emit(Kind.EXITED, service.name, exit_code=end.code, reason=end.reason)
        # What is left of it (children of a killed process) must go before it can be started again.
        await self._backend.stop(handle.left_behind())
        if not self._may_restart(service, end):
            self.given_up.add(service.name)
            self._record.emit(Kind.NOTE, service.name, text=f"not restarted: restart is {service.restart}")
            self._on_given_up()
            return
        self._schedule(service.name, replace=False)

    @staticmethod
    def _may_restart(service: Service, end: Exit) -> bool:
        match service.restart:
            case Restart.ALWAYS:
                return True
            case Restart.ON_FAILURE:
                return not end.clean
            case Restart.NEVER:
                return False

    def _schedule(self, name: str, *, replace: bool) -> None:
        """Restart after the back-off; what is waiting for its restart already goes on waiting."""
        if name in self._pending:
            return
        crashes = self._crashes.setdefault(name, Crashes())
        if asyncio.get_running_loop().time() - crashes.started_s > STEADY_S:
            crashes.count = 0
        delay_s = BACKOFF_S[min(crashes.count, len(BACKOFF_S) - 1)]
        crashes.count += 1
        self._record.emit(Kind.BACKING_OFF, name, delay_s=delay_s, restarts=crashes.count)

        async def later() -> None:
            await asyncio.sleep(delay_s)
            self._pending.pop(name, None)
            await self._recover(name, replace)

        self._pending[name] = asyncio.create_task(later(), name=f"restart of {name}")

    async def _watch_health(self, service: Service, handle: Handle) -> None:
        """Check every interval, more often while checks fail; `retries` intervals of it in a row mean unhealthy.

        What fails is told at once. It counts after the start period, or where it can never be met.
        """
        policy = service.health
        loop = asyncio.get_running_loop()
        began = counted_s = loop.time()
        failures = 0
        told = ("healthy", "")
        assert policy.check is not None
        while True:
            await asyncio.sleep(min(policy.interval_s, RECHECK_S) if told[1] else policy.interval_s)
            asked_s = loop.time()
            verdict = await attempt(
                policy.check, service, self._backend, instance=handle.instance, timeout_s=policy.timeout_s
            )
            if isinstance(verdict, Ready):
                failures, now_told = 0, ("healthy", "")
            else:
                early = loop.time() - began < policy.start_period_s and not failures and isinstance(verdict, NotYet)
                if not early and (not failures or asked_s - counted_s >= policy.interval_s):
                    failures, counted_s = failures + 1, loop.time()
                now_told = _failing(verdict.reason, failures, policy)
            if now_told != told:
                told = now_told
                self._record.emit(Kind.HEALTH, service.name, status=told[0], reason=told[1])
            if failures >= policy.retries:
                self._forget_instance(handle.instance)
                self._schedule(service.name, replace=True)
                return


def _failing(reason: str, failures: int, policy: HealthPolicy) -> tuple[str, str]:
    """How a failed check is told: its word, and its reason with how often it has counted."""
    word = "failing" if failures < policy.retries else "unhealthy"
    count = f"{failures}/{policy.retries}" if failures else f"just started, counts after {policy.start_period_s:g} s"
    return word, f"{reason} ({count})"
