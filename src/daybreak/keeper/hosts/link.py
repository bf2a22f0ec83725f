"""A host's side: one connection to the first machine's keeper, on which it tells how its nodes are, and hears what it
should have. An old generation is brought up to date, never mixed in.

While the first machine is away everything goes on as it is, and it is asked for again and again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import platform
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

from daybreak import __version__
from daybreak.errors import DaybreakError
from daybreak.keeper.background import Background
from daybreak.keeper.hosts.guests import REPORT_S, SILENT_S
from daybreak.keeper.hosts.measured import ASKED, HEARD, TOLD
from daybreak.keeper.hosts.membership import JoinedFolder, Membership
from daybreak.keeper.hosts.told_logs import ToldLogs
from daybreak.keeper.hosts.update import Update
from daybreak.keeper.hosts.wire import Line, NotReached, connected

LOOK_S = 1.0
# So soon the first machine hears of what has changed here.
CHANGED_S = 0.25
# Between attempts to reach the first machine, each a little other than that: hosts do not come all at once.
PAUSES_S = (0.5, 1.0, 2.0, 5.0, 10.0)
log = logging.getLogger(__name__)


class Link:
    """One host's. `nodes` are the rows of its workers, `wants` tells whether anything is wanted here; `apply` makes it
    what the membership says (also how many, where that is told), and `stop` ends its nodes."""

    def __init__(
        self,
        folder: JoinedFolder,
        background: Background,
        nodes: Callable[[], Sequence[dict[str, Any]]],
        wants: Callable[[], bool],
        apply: Callable[[Membership, bool], Awaitable[None]],
        stop: Callable[[], Awaitable[None]],
    ) -> None:
        self._folder, self._background = folder, background
        self._nodes, self._wants, self._stop = nodes, wants, stop
        self._news = asyncio.Event()
        self._told_logs = ToldLogs(folder.cluster, folder.own, background)
        self._update = Update(folder, background, nodes, apply, self._news.set)
        self._task: asyncio.Task[None] | None = None
        self._leaving = self._ended = False
        self._heard_s: float | None = None
        # The stamps of what was heard last, until they are sent back.
        self._stamps: dict[str, Any] = {}
        self.removed = asyncio.Event()

    @property
    def membership(self) -> Membership | None:
        """None where this machine is no host."""
        return self._update.membership

    def begin(self) -> None:
        """Follow the first machine as soon as anything is wanted here."""
        self._background.every(LOOK_S, "looking for the first machine", self.look)

    @property
    def busy(self) -> bool:
        """Does somebody else say what is to be done here, though nothing runs?"""
        return self._task is not None and not self._task.done()

    @contextlib.contextmanager
    def ended(self) -> Iterator[None]:
        """What is done here meanwhile is said here: the first machine is not followed, and not looked for again as long
        as something is still wanted."""
        if self._task:
            self._task.cancel()
        self._task = None
        self._told_logs.end()
        self._update.cancel()
        self._ended = True
        try:
            yield
        finally:
            self._ended = False

    def forget(self) -> None:
        """This machine is no host any more."""
        self._folder.forget()
        self._update.membership = None

    def note(self) -> str:
        """For `status`: whose host this is, and whether it hears of it; empty where it is none."""
        if self.membership is None:
            return ""
        text = f"host {self.membership.name} of the cluster at {self.membership.place}"
        if self._heard_s is None:
            return f"{text}, which has not answered yet"
        return text if self._silent_s <= SILENT_S else f"{text}, which was not heard of for {self._silent_s:.0f} s"

    async def leave(self) -> None:
        """Ask for the nodes to be drained; returns when this host is one no more. Raises NotReached where the first
        machine is away."""
        if self._heard_s is None or self._silent_s > SILENT_S:
            raise NotReached("the first machine does not answer: nothing was changed")
        self._leaving = True
        try:
            self._news.set()
            await self.removed.wait()
        finally:
            self._leaving = False

    async def look(self) -> None:
        """Begin to follow, where that is due."""
        if self.membership is None:
            self._update.membership = self._folder.load()
        if self.membership and not self.busy and not self._ended and self._wants():
            self.removed.clear()
            self._task = self._background.keep("following the first machine", self._stay)

    @property
    def _silent_s(self) -> float:
        return asyncio.get_running_loop().time() - (self._heard_s or 0.0)

    async def _stay(self) -> None:
        failures = 0
        while self.membership and not self.removed.is_set():
            try:
                async with connected(self.membership.place, self._folder.own) as line:
                    failures = 0
                    await self._follow(line)
            except DaybreakError as error:
                log.info("the first machine: %s", error.message)
            if not self.removed.is_set():
                pause_s = PAUSES_S[min(failures, len(PAUSES_S) - 1)]
                failures += 1
                await asyncio.sleep(pause_s * random.uniform(0.8, 1.2))

    async def _follow(self, line: Line) -> None:
        telling = asyncio.create_task(self._tell(line), name="telling the first machine")
        try:
            while not self.removed.is_set():
                orders = await line.receive(SILENT_S)
                self._heard_s = asyncio.get_running_loop().time()
                if ASKED in orders:
                    self._stamps = {ASKED: orders[ASKED], HEARD: time.time()}
                await self._obey(orders)
        finally:
            telling.cancel()

    async def _tell(self, line: Line) -> None:
        told = self._report()
        self._stamps = {}
        line.send({"op": "follow", **told, "facts": _facts(line)})
        while True:
            self._news.clear()
            until_s = asyncio.get_running_loop().time() + REPORT_S
            # What has become ready is so on the first machine, too.
            while self._report() == told and not self._news.is_set() and asyncio.get_running_loop().time() < until_s:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(CHANGED_S):
                        await self._news.wait()
            told = self._report()
            # Never beside what is compared: these are others each time.
            stamps, self._stamps = self._stamps, {}
            line.send({**told, "clock": {**stamps, TOLD: time.time()}} if stamps else told)

    def _report(self) -> dict[str, Any]:
        member = self.membership
        has = {"serial": member.offer.serial, "code": member.code, "own": dict(member.own)} if member else {}
        state = {"trouble": self._update.trouble, "stopped": self._update.stopped, "leaving": self._leaving}
        return {"nodes": self._nodes(), **state, **has}

    async def _obey(self, orders: dict[str, Any]) -> None:
        if "logs" in orders:
            if self.membership and isinstance(orders["logs"], dict):
                self._told_logs.begin(self.membership.place, orders["logs"])
        elif orders.get("removed"):
            await self._update.end()
            self.removed.set()
            if not self._leaving:
                await self._stop()
                self._folder.forget()
                self._update.membership = None
        elif orders.get("stopped"):
            await self._update.end()
            self._update.stopped = True
            await self._stop()
        elif orders.get("serial") and not self._leaving:
            self._update.hear(orders)


def _facts(line: Line) -> dict[str, Any]:
    """Of this machine, as far as the first one compares it."""
    return {"daybreak": __version__, "python": platform.python_version(), "mtu": line.mtu}
