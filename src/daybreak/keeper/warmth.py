"""The keeper's side of the warm template: what waits for the first response, what it should know, what went cold."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import marshal
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from daybreak.backends.records import write_private
from daybreak.paths import ClusterPaths
from daybreak.services.ray import HEAD
from daybreak.timeline.event import Event, Kind
from daybreak.timeline.recorder import Recorder
from daybreak.warm.modules import read_learned

# The lowest format that every supported interpreter reads.
MARSHAL_VERSION = 4
ORDER_TIMEOUT_S = 30.0
# What is new is tried first, in a fork that is thrown away.
IMPORT_TIMEOUT_S = 300.0
CONNECT_DEADLINE_S = 5.0
CONNECT_NAP_S = 0.01
# At most this long what is not needed for the first response is kept waiting, whatever becomes of it.
HOLD_S = 20.0
# The first request may import more than the start did.
LEARN_AFTER_S = 3.0
MOST_LEARNED = 4000
DASHBOARD = (HEAD, "dashboard")
# From here on the first response is a matter of one process after another: a processor is free for the dashboard.
FREE_WHILE = "starting "
MOST_TOLD = 5
log = logging.getLogger(__name__)


class Warmth:
    """One cluster's template, seen from its keeper; with containers, those of its nodes."""

    def __init__(self, paths: ClusterPaths, record: Recorder) -> None:
        self._paths = paths
        self._record = record
        self._tasks: set[asyncio.Task[None]] = set()
        self._busy = False
        # With containers each of these nodes has a template of its own, which begins with holding back what can wait.
        self.nodes: tuple[str, ...] = ()
        # What was last ordered in a run: a node that starts later is told, too.
        self._freed: dict[str, Any] | None = None

    def is_warm(self) -> bool:
        """Had a template its imports done at this moment?"""
        with contextlib.suppress(OSError, ValueError, KeyError):
            state = json.loads((self._paths.warm / "state.json").read_text())
            return state["stage"] == "running" and Path(f"/proc/{int(state['pid'])}").exists()
        return False

    def follow(self, event: Event, first: str | None, *, dashboard: bool = False) -> None:
        """React to a run: while `first` (the service of the first response) starts, what can wait waits. Where there
        is a dashboard, the agents wait for that, too."""
        self._busy = event.kind is not Kind.RUN_ENDED and (self._busy or event.kind is Kind.RUN_BEGAN)
        if event.kind is Kind.PLANNED:
            # Nothing has to wait where the applications are there already.
            self._freed = None if first in event.data["start"] else {}
        elif event.kind is Kind.STARTING and event.service in self.nodes:
            self._later(self._free_late(event.service))
        if event.kind is Kind.PLANNED and first in event.data["start"] and not self.nodes:
            self._later(self._hold())
        elif event.kind is Kind.NOT_YET and event.service == first and event.data["reason"].startswith(FREE_WHILE):
            self._free(but_last=dashboard)
        elif event.kind in (Kind.READY, Kind.FAILED) and event.service == first:
            self._free(but_last=dashboard and event.kind is Kind.READY)
        elif event.kind is Kind.GATE_PASSED and (event.service, event.data["gate"]) == DASHBOARD:
            self._free()
        elif event.kind is Kind.RUN_ENDED:
            self._later(self._after_run())

    def _free(self, **details: Any) -> None:
        """Let go what waits, now and wherever a node starts later in this run."""
        self._freed = details
        self._later(self._order("release", **details))

    async def _free_late(self, node: str) -> None:
        """What was ordered before the node's template listened is ordered again when it does."""
        folder = self._paths.ray_temp(node) / "warm"
        if await self._tell(folder, "state", wait=True, details={}) is not None and self._freed is not None:
            await self._tell(folder, "release", wait=False, details=self._freed)

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _later(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _hold(self) -> None:
        await self._order("hold", wait=True, seconds=HOLD_S)

    async def _after_run(self) -> None:
        await self._order("release")
        self.tell_fallbacks()
        await asyncio.sleep(LEARN_AFTER_S)
        await self.learn()
        self.tell_fallbacks()

    async def learn(self) -> None:
        """Have the template import what workers had to import themselves, and remember it for the next one.

        Not during a run, which needs the template for itself: its end is the next occasion.
        """
        if self._busy:
            return
        # Moved away first: what workers note meanwhile goes into a new file.
        lines = [line for folder in self._folders() for line in taken(folder / "seen")]
        if not lines:
            return
        states = await self._order("import", modules=in_order(lines))
        if not states:
            return
        known = read_learned(str(self._paths.learned))
        loaded = [name for name in in_order(lines) if any(name in state["loaded"] for state in states)]
        learned = list(dict.fromkeys([*known, *loaded]))[:MOST_LEARNED]
        if learned != known:
            write_private(self._paths.learned, json.dumps({"modules": learned}, indent=1))
            log.info("learned %d modules", len(learned) - len(known))

    def tell_fallbacks(self) -> None:
        """Processes that had to be started cold are told in the timeline, with the reason; a few, then a number."""
        rows = [line.split("\t") for folder in self._folders() for line in taken(folder / "fallbacks")]
        told = [f"started cold ({row[1]}): {program(row[2])}" for row in rows if len(row) == 3]
        for text in told[:MOST_TOLD]:
            self._record.emit(Kind.NOTE, text=text, level="warning")
        if len(told) > MOST_TOLD:
            text = f"started cold: {len(told) - MOST_TOLD} more processes"
            self._record.emit(Kind.NOTE, text=text, level="warning")

    def _folders(self) -> list[Path]:
        """The folder of every template that there may be."""
        return [self._paths.ray_temp(node) / "warm" for node in self.nodes] or [self._paths.warm]

    async def _order(self, order: str, *, wait: bool = False, **details: Any) -> list[dict[str, Any]]:
        """Tell every template to do something; returns the states of those that answer."""
        asked = (self._tell(folder, order, wait, details) for folder in self._folders())
        return [state for state in await asyncio.gather(*asked) if state is not None]

    async def _tell(self, folder: Path, order: str, wait: bool, details: dict[str, Any]) -> dict[str, Any] | None:
        """Tell one; returns its state, None where none answers."""
        try:
            async with asyncio.timeout(IMPORT_TIMEOUT_S if order == "import" else ORDER_TIMEOUT_S):
                reader, writer = await self._connect(folder, wait)
                try:
                    data = marshal.dumps({"order": order, **details}, MARSHAL_VERSION)
                    writer.write(len(data).to_bytes(4, "little") + data)
                    await writer.drain()
                    kind = await reader.readexactly(1)
                    text = await reader.readexactly(int.from_bytes(await reader.readexactly(4), "little"))
                finally:
                    writer.close()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            return None
        if kind != b"J":
            log.warning("the template refuses to %s: %s", order, text.decode(errors="replace"))
            return None
        state: dict[str, Any] = json.loads(text)
        return state

    async def _connect(self, folder: Path, wait: bool) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect; with `wait` a template that is just being started is waited for."""
        deadline = asyncio.get_running_loop().time() + (CONNECT_DEADLINE_S if wait else 0.0)
        while True:
            try:
                return await asyncio.open_unix_connection(str(folder / "template.socket"))
            except OSError:
                if asyncio.get_running_loop().time() >= deadline:
                    raise
            await asyncio.sleep(CONNECT_NAP_S)


def taken(path: Path) -> list[str]:
    """The lines of a file that others append to; it is gone afterwards."""
    moved = path.with_name(f"{path.name}.taken")
    try:
        path.rename(moved)
        lines = moved.read_text(errors="replace").splitlines()
        moved.unlink()
    except OSError:
        return []
    return lines


def in_order(lines: Iterable[str]) -> list[str]:
    """The modules of `PID MODULE` lines: process by process, each in the order of its imports, none twice."""
    by_process: dict[str, list[str]] = {}
    for line in lines:
        pid, _, name = line.partition(" ")
        if name:
            by_process.setdefault(pid, []).append(name)
    return list(dict.fromkeys(name for names in by_process.values() for name in names))


def program(arguments: str) -> str:
    """The part of a command line that tells people what it is."""
    words: Sequence[str] = [word for word in arguments.split(" ") if word not in ("-u", "-m")]
    if words and words[0] == "-c":
        return " ".join(words)[:60]
    return words[0].rpartition("/")[2] if words else ""
