"""The keeper's side of the warm template: what waits for the first response, what it should know, what went cold."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from daybreak.files import open_regular, read_book, write_private
from daybreak.keeper.background import Background
from daybreak.keeper.ray.template_orders import tell
from daybreak.names import HEAD, HOLD_S, SERVE
from daybreak.paths import ClusterPaths
from daybreak.programs.warm import registry
from daybreak.programs.warm.modules import read_learned
from daybreak.services.build import Cluster
from daybreak.services.ray.addresses import node_names
from daybreak.services.ray.warm import waits_for_serve
from daybreak.states import Stage
from daybreak.timeline.event import Event, Kind
from daybreak.timeline.recorder import Recorder

# The first request may import more than the start did.
LEARN_AFTER_S = 3.0
MOST_LEARNED = 4000
# Of what has been seen, or was started cold, since the last look.
MOST_BYTES = 1024 * 1024
DASHBOARD = (HEAD, "dashboard")
# From here on the first response is a matter of one process after another: a processor is free for the dashboard.
FREE_FROM = Stage.STARTING
MOST_TOLD = 5
# The way of a restart (`run/restart_way.py`) in which what answers has its processors beside what starts.
REDEPLOY = "redeploy"
log = logging.getLogger(__name__)


class TemplateControl:
    """One cluster's template, seen from its keeper; with containers, those of its nodes."""

    def __init__(self, paths: ClusterPaths, record: Recorder, background: Background) -> None:
        self._paths = paths
        self._record = record
        self._background = background
        self._busy = False
        # Do workers that start now begin with a low priority?
        self._low = False
        self._cluster: Cluster | None = None
        # The service of the first response, where it has to be waited for.
        self._first: str | None = None
        # With containers each of these nodes has a template of its own, in this folder, which begins with holding back
        # what can wait.
        self.nodes: dict[str, Path] = {}
        # What was last ordered in a run: a node that starts later is told, too.
        self._freed: dict[str, Any] | None = None

    def is_warm(self) -> bool:
        """Had a template its imports done at this moment?"""
        state = read_book(self._paths.warm / registry.STATE)
        return state.get("stage") == Stage.RUNNING and Path(f"/proc/{state.get('pid')}").exists()

    def want(self, cluster: Cluster) -> None:
        """From now on the template is this cluster's."""
        self._cluster = cluster
        self._first = SERVE if waits_for_serve(cluster.spec, cluster.site) else None
        names = node_names(cluster.spec) if cluster.site.engine else ()
        self.nodes = {name: self._paths.ray_temp(f"{name}{cluster.site.slot.suffix}") / "warm" for name in names}

    def beside(self, cluster: Cluster) -> TemplateControl:
        """The same for a generation that starts beside the one that serves, as long as this one is that one's."""
        made = TemplateControl(self._paths, self._record, self._background)
        made.want(cluster)
        return made

    def follow(self, event: Event) -> None:
        """React to a run: while the service of the first response starts, what can wait waits. Where there is a
        dashboard, the agents wait for that, too."""
        if self._cluster is None or not self._cluster.spec.warm.enabled:
            return
        first, dashboard = self._first, self._cluster.spec.dashboard
        self._busy = event.kind is not Kind.RUN_ENDED and (self._busy or event.kind is Kind.RUN_BEGAN)
        if event.kind is Kind.RUN_BEGAN:
            # Said in every run: a keeper that was killed in the midst of one leaves the template as it was.
            self._low = event.data.get("way") == REDEPLOY
            self._later(partial(self._order, "low", on=self._low))
        if event.kind is Kind.PLANNED:
            # Nothing has to wait where the applications are there already.
            self._freed = None if first in event.data["start"] else {}
        elif event.kind is Kind.STARTING and event.service in self.nodes:
            self._later(partial(self._free_late, event.service))
        if event.kind is Kind.PLANNED and first in event.data["start"] and not self.nodes:
            self._later(self._hold)
        elif event.kind is Kind.NOT_YET and event.service == first and event.data.get("stage") == FREE_FROM:
            self._free(but_last=dashboard)
        elif event.kind in (Kind.READY, Kind.FAILED) and event.service == first:
            self._free(but_last=dashboard and event.kind is Kind.READY)
        elif event.kind is Kind.GATE_PASSED and (event.service, event.data["gate"]) == DASHBOARD:
            self._free()
        elif event.kind is Kind.RUN_ENDED:
            self._later(self._after_run)

    def _free(self, **details: Any) -> None:
        """Let go what waits, now and wherever a node starts later in this run."""
        self._freed = details
        self._later(partial(self._order, "release", **details))

    async def _free_late(self, node: str) -> None:
        """What was ordered before the node's template listened is ordered again when it does."""
        folder = self.nodes[node]
        if await tell(folder, "state", wait=True) is not None and self._freed is not None:
            await tell(folder, "release", **self._freed)

    def _later(self, work: Callable[[], Awaitable[object]]) -> None:
        self._background.keep("steering the template", work)

    async def _hold(self) -> None:
        await self._order("hold", wait=True, seconds=HOLD_S)

    async def _after_run(self) -> None:
        if self._low:
            self._low = False
            await self._order("low", on=False)
        await self._order("release")
        await self._order("spares")
        await self.tell_fallbacks()
        await asyncio.sleep(LEARN_AFTER_S)
        await self.learn()
        await self.tell_fallbacks()

    async def learn(self) -> None:
        """Have the template import what workers had to import themselves, and remember it for the next one.

        Not during a run, which needs the template for itself: its end is the next occasion.
        """
        if self._busy:
            return
        # Moved away first: what workers note meanwhile goes into a new file.
        lines = await asyncio.to_thread(self._taken, registry.SEEN)
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

    async def tell_fallbacks(self) -> None:
        """Processes that had to be started cold are told in the timeline, with the reason; a few, then a number."""
        lines = await asyncio.to_thread(self._taken, registry.FALLBACKS)
        told = [f"started cold ({why}): {program(arguments)}" for why, arguments in registry.fallbacks(lines)]
        for text in told[:MOST_TOLD]:
            self._record.emit(Kind.NOTE, text=text, level="warning")
        if len(told) > MOST_TOLD:
            text = f"started cold: {len(told) - MOST_TOLD} more processes"
            self._record.emit(Kind.NOTE, text=text, level="warning")

    def _taken(self, name: str) -> list[str]:
        """The lines of such a file in every folder; a container may have put anything there."""
        return [line for folder in self._folders() for line in taken(folder / name)]

    def _folders(self) -> list[Path]:
        """The folder of every template that there may be."""
        return list(self.nodes.values()) or [self._paths.warm]

    async def _order(self, order: str, *, wait: bool = False, **details: Any) -> list[dict[str, Any]]:
        """Tell every template to do something; returns the states of those that answer."""
        asked = (tell(folder, order, wait=wait, **details) for folder in self._folders())
        return [state for state in await asyncio.gather(*asked) if state is not None]


def taken(path: Path) -> list[str]:
    """The lines of a file that others append to; it is gone afterwards."""
    moved = path.with_name(f"{path.name}.taken")
    try:
        path.rename(moved)
        with open(open_regular(moved), "rb") as file:
            lines = file.read(MOST_BYTES).decode(errors="replace").splitlines()
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
