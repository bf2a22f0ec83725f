"""Two keepers' ends in one process, over real TLS on loopback: the first machine's is a whole keeper on a fake backend,
the host's is its link, whose nodes are made up."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from daybreak.keeper.background import Background
from daybreak.keeper.hosts import fit
from daybreak.keeper.hosts.door import Door
from daybreak.keeper.hosts.fit import Versions
from daybreak.keeper.hosts.hosting import Hosting
from daybreak.keeper.hosts.joining import Wish, join
from daybreak.keeper.hosts.link import Link
from daybreak.keeper.hosts.membership import JoinedFolder, Membership, worker_spec
from daybreak.keeper.hosts.token import Token
from daybreak.paths import ClusterPaths
from daybreak.timeline.recorder import Recorder
from tests.unit.keeper.world import SPEC, World

ADDRESS, RAY, PYTHON = "192.0.2.1", "2.60.0", "3.11"
DEADLINE_S = 120.0


class First(World):
    """The first machine; what it is to listen at is found on loopback, at a port of the system's choice."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(fit, "python_minor", lambda _: PYTHON)
        real, self.ports = Door.open, list[int]()

        async def here(door: Door, address: str, port: int, context: ssl.SSLContext) -> None:
            await real(door, "127.0.0.1", 0, context)
            assert door.place
            self.ports.append(door.place[1])
            door.place = (address, port)

        monkeypatch.setattr(Door, "open", here)
        super().__init__(folder)
        (folder / "ray-token").write_text("the-token-of-ray\n")

    async def begin_serving(self, **written: Any) -> None:
        values = {**SPEC, "address": ADDRESS, "workers": {"count": 1, "env": {"APP": "1"}}, **written}
        await self.begin("apply", spec=values, base=str(self.folder), environment={}).answer()

    @property
    def hosting(self) -> Hosting:
        return self.keeper.parts.hosting

    async def invited(self, **fields: Any) -> tuple[tuple[str, int], Token]:
        found = await self.ask("invite", **fields)
        return ("127.0.0.1", self.ports[-1]), Token.parse(found["token"])

    def rows(self) -> dict[str, dict[str, Any]]:
        return {row["name"]: row for row in self.hosting.company.rows()}


class Other:
    """A machine that joins; `applied` are what its nodes were started with, `ends` how often they were stopped."""

    def __init__(self, folder: Path) -> None:
        self.paths = ClusterPaths("shop", folder / "state", folder / "run")
        self.folder = JoinedFolder(self.paths)
        self.applied: list[Membership] = []
        # What the nodes' secrets were when they were last started.
        self.read: dict[str, bytes] = {}
        self.stops = 0
        self.counted = False
        self.nodes: list[dict[str, Any]] = [
            {"name": "worker-1", "state": "ready", "pid": 1, "place": "192.0.2.2:20001"}
        ]

    async def join(self, place: tuple[str, int], token: Token, **rest: Any) -> None:
        given = {"versions": Versions(RAY, PYTHON), "address": "192.0.2.2", "own": {"count": 2}, **rest}
        await join(Wish(place, token, **given), lambda _: self.paths, lambda _: None)

    @contextlib.asynccontextmanager
    async def following(self) -> AsyncIterator[Link]:
        """As its keeper does."""
        background = Background(Recorder([]))

        async def apply(membership: Membership, counted: bool) -> None:
            self.applied.append(membership)
            secrets = worker_spec(membership, self.folder)["secrets"]
            self.read = {name: Path(source["file"]).read_bytes() for name, source in secrets.items()}
            self.counted = counted

        async def stop() -> None:
            self.stops += 1

        link = Link(self.folder, background, lambda: self.nodes, lambda: True, apply, stop)
        await link.look()
        try:
            yield link
        finally:
            with link.ended():
                background.close()
            # What was cancelled ends its programs before the loop is gone.
            await until(lambda: not len(background))


async def until(true: Callable[[], bool]) -> None:
    """However busy the machine is."""
    async with asyncio.timeout(DEADLINE_S):
        while not true():
            await asyncio.sleep(0.01)
