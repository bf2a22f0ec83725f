"""The keeper: one background process per cluster that owns its services.

It holds the cluster's lock, answers the control API, carries out one operation at a time, and restarts what crashes. It
may be killed at any moment: services are found again by their records and markers, and go on meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Any

from daybreak.errors import DaybreakError, UsageError
from daybreak.keeper.assembly import Assembly
from daybreak.keeper.backends.both_backends import DOCKER, Backends
from daybreak.keeper.control.control_socket import LOOK_S, Client, ControlServer
from daybreak.keeper.control.request import Request
from daybreak.keeper.housekeeping.housekeeping import INTERVAL_S, Housekeeping
from daybreak.keeper.housekeeping.idle_exit import IdleExit
from daybreak.keeper.housekeeping.warm_time import INTERVAL_S as WARM_INTERVAL_S
from daybreak.keeper.housekeeping.warm_time import WarmTime
from daybreak.keeper.recovery.comparison import ENGINE_INTERVAL_S, Comparison
from daybreak.keeper.recovery.comparison import INTERVAL_S as COMPARE_INTERVAL_S
from daybreak.keeper.runner import Operation
from daybreak.keeper.supervision.orphans import Orphans
from daybreak.keeper.wanted.desired import Build
from daybreak.keeper.wanted.wanted_state import Errand
from daybreak.paths import ClusterPaths
from daybreak.services.build import build

# A command that starts a keeper reads its spec meanwhile.
FIRST_COMMAND_S = 1.0
log = logging.getLogger(__name__)


class Keeper:
    """Serves one cluster until nothing is left to look after."""

    def __init__(self, paths: ClusterPaths, *, backends: Backends | None = None, build: Build = build) -> None:
        self._paths = paths
        self.parts = Assembly(paths, backends, build, self._recover, self.begin_restart)
        self._server = ControlServer(paths.socket, self.begin, self._look_soon, paths.secrets)
        self.idle_exit = IdleExit(
            self._paths,
            self.parts.backends,
            self.parts.background,
            self._server,
            self.parts.runner,
            self.parts.followers.supervisor,
            self._busy,
        )
        self._finishing: asyncio.Task[None] | None = None
        self._restart: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        self.parts.followers.alerting.telling.on_quiet = self._look_soon

    async def serve(self) -> None:
        """Adopt what runs, then answer until nothing is left to look after."""
        parts = self.parts
        await self.adopt()
        await self._server.start()
        Orphans(parts.backends.children).follow()
        housekeeping = Housekeeping(self._paths, parts.followers.page, parts.followers.template, parts.runner)
        parts.background.every(INTERVAL_S, "housekeeping", housekeeping.once)
        parts.background.every(LOOK_S, "looking after the socket", self._server.look)
        warm = WarmTime(parts.backends, parts.followers, parts.runner, parts.down.stop)
        parts.background.every(WARM_INTERVAL_S, "the time of a template that was kept", warm.once)
        parts.followers.alerting.begin()
        parts.schedules.begin()
        parts.hosting.begin()
        parts.by_ssh.begin()
        parts.carrying.link.begin()
        interval_s = ENGINE_INTERVAL_S if parts.backends.kind == DOCKER else COMPARE_INTERVAL_S
        parts.background.every(interval_s, "comparing what is wanted with what runs", self.comparison().once)
        self._look_soon()
        await self.idle_exit.done.wait()
        await parts.hosting.close()
        self.close()
        # First, and without waiting for anything before it: who asks from now on asks the next keeper.
        await self._server.close()
        parts.followers.page.leave()
        await parts.backends.close()
        parts.runs.close()

    def comparison(self) -> Comparison:
        """Of what is wanted with what runs, from now on."""
        parts = self.parts
        return Comparison(
            self._paths,
            parts.backends,
            parts.followers,
            parts.runner,
            parts.record,
            self.adopt,
            self._look_soon,
            self._end_left,
        )

    async def adopt(self) -> None:
        """Take over what an earlier keeper has left; beside, what it was killed in the middle of is finished, what died
        meanwhile is brought back, and what is left of a generation that nobody wants ends."""
        if missing := await self.parts.adoption.adopt():
            # The command that has started this keeper comes first.
            self.parts.followers.supervisor.bring_back(missing, after_s=FIRST_COMMAND_S)
        self._end_left()
        self.parts.keeping.watch()
        self._finish_soon()

    def _finish_soon(self) -> None:
        """What an earlier keeper has begun, where the command that has started this one is not about that."""
        begun = self._finishing is not None and not self._finishing.done()
        if not begun and self._unfinished:
            self._finishing = self.parts.background.keep("finishing what another keeper has begun", self._finish)

    @property
    def _unfinished(self) -> bool:
        """A stop needs no spec that can be used."""
        desired = self.parts.followers.desired
        under_way = desired.state.under_way if desired.state else None
        return under_way is not None and (desired.cluster is not None or under_way.errand is Errand.STOP)

    async def _finish(self) -> None:
        """Raises DaybreakError where it is not finished: then it is tried again."""
        await asyncio.sleep(FIRST_COMMAND_S)
        if self._unfinished and not self.parts.runner.busy:
            operation = Operation("finish")
            operation.start(partial(self.parts.operations["finish"], Request("finish")))
            try:
                await operation.answer()
            except DaybreakError as error:
                log.warning("what another keeper has begun: %s", error.message)
                if self._unfinished:
                    raise
        self._look_soon()

    def _end_left(self) -> None:
        """Until it has ended: what does not is tried again."""
        if self._ending is None or self._ending.done():
            name = "ending what is left of another generation"
            self._ending = self.parts.background.keep(name, self.parts.recovery.of_leftovers)

    def _busy(self) -> bool:
        """Is there something to do that nobody waits for?"""
        finishing = self._finishing is not None and not self._finishing.done()
        return finishing or self.parts.followers.alerting.telling.busy or self.parts.carrying.link.busy

    def close(self) -> None:
        """Do nothing of its own accord any more."""
        followers = self.parts.followers
        followers.supervisor.close()
        self.parts.background.close()
        followers.applications.close()

    def begin(self, raw: dict[str, Any], client: Client) -> Operation:
        """Begin what a client asks for."""

        async def work(operation: Operation) -> Any:
            found = self.parts.operations.get(operation.name)
            if found is None:
                raise UsageError(f"the keeper does not know the operation {operation.name!r}")
            return await found(Request.from_json(raw), operation)

        operation = Operation(str(raw.get("op")), client, pid=raw.get("pid"))
        operation.start(work)
        return operation

    def begin_restart(self) -> bool:
        """A restart that the page asks for; False where something else is under way, or nothing runs."""
        parts = self.parts
        begun = self._restart and not self._restart.done()
        if begun or parts.runner.busy or parts.followers.desired.cluster is None:
            return False
        operation = Operation("apply")
        request = Request("apply", restart=True, keep_workers=True, only_running=True)
        operation.start(partial(parts.operations["apply"], request))

        async def follow() -> None:
            try:
                await operation.answer()
            except DaybreakError as error:
                log.warning("the restart that the page asked for failed: %s", error.message)

        self._restart = parts.background.keep("restart for the page", follow)
        return True

    async def _recover(self, service: str, replace: bool) -> None:
        await self.parts.recovery.of_crash(service, replace)
        self._look_soon()

    def _look_soon(self) -> None:
        self.idle_exit.look_soon()
