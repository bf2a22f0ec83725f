"""Orders to the templates of several nodes: what waits is let go wherever it waits, also where a node starts later."""

from __future__ import annotations

import asyncio
import json
import marshal
import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daybreak.keeper.background import Background
from daybreak.keeper.ray.template_control import TemplateControl, taken
from daybreak.keeper.ray.template_orders import tell
from daybreak.paths import ClusterPaths
from daybreak.services.build import Cluster
from daybreak.services.slots import Slot
from daybreak.timeline.event import Event, Kind
from tests.unit.helpers import Recording
from tests.unit.services import engine

NODES = ("head", "worker-1")
SPEC = engine.spec(serve={"applications": [{"import": "app:main"}]}, workers={"count": 1})
CLUSTER = Cluster(SPEC, engine.site(SPEC), ())


class FakeTemplate:
    """Answers every order, and keeps it."""

    def __init__(self, folder: Path, loaded: tuple[str, ...] = ()) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "template.socket"
        self.orders: list[dict[str, Any]] = []
        self.loaded = loaded

    async def listen(self) -> asyncio.AbstractServer:
        return await asyncio.start_unix_server(self._answer, str(self.path))

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = int.from_bytes(await reader.readexactly(4), "little")
        order = marshal.loads(await reader.readexactly(size))
        if order["order"] != "state":
            self.orders.append(order)
        text = json.dumps({"loaded": self.loaded}).encode()
        writer.write(b"J" + len(text).to_bytes(4, "little") + text)
        await writer.drain()
        writer.close()


@pytest.fixture
def paths() -> Iterator[ClusterPaths]:
    """Short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="dbw", dir="/tmp") as folder:
        yield ClusterPaths("a", Path(folder), Path(folder) / "r")


def event(kind: Kind, service: str | None = None, **data: Any) -> Event:
    recording = Recording()
    recording.recorder.emit(kind, service, **data)
    return recording.events[0]


async def settled(warmth: TemplateControl) -> None:
    while tasks := warmth._background._tasks:
        await asyncio.gather(*tasks)


def made(paths: ClusterPaths) -> TemplateControl:
    record = Recording().recorder
    found = TemplateControl(paths, record, Background(record))
    found.want(CLUSTER)
    return found


def test_every_node_is_told_also_one_that_starts_later(paths: ClusterPaths) -> None:
    async def story() -> tuple[list[Any], list[Any]]:
        head, worker = (FakeTemplate(paths.ray_temp(node) / "warm") for node in NODES)
        warmth = made(paths)
        async with await head.listen():
            warmth.follow(event(Kind.PLANNED, start=["head", "serve", "worker-1"], stop=[], keep=[]))
            warmth.follow(event(Kind.STARTING, "head"))
            await settled(warmth)
            assert head.orders == [], "its template begins with holding back, until it is told otherwise"
            warmth.follow(event(Kind.READY, "serve"))
            await settled(warmth)
            warmth.follow(event(Kind.STARTING, "worker-1"))
            async with await worker.listen():
                await settled(warmth)
        return head.orders, worker.orders

    head, worker = asyncio.run(story())
    assert head == worker == [{"order": "release", "but_last": True}]


def test_those_of_a_generation_beside_the_one_that_serves_are_told_in_their_own_folders(paths: ClusterPaths) -> None:
    async def story() -> tuple[list[Any], list[Any]]:
        old, new = (FakeTemplate(paths.ray_temp(name) / "warm") for name in ("head", "head.b"))
        warmth = made(paths)
        beside = warmth.beside(replace(CLUSTER, site=replace(CLUSTER.site, slot=Slot.B)))
        async with await old.listen(), await new.listen():
            beside.follow(event(Kind.PLANNED, start=["head", "serve", "worker-1"], stop=[], keep=[]))
            beside.follow(event(Kind.READY, "serve"))
            await settled(beside)
        return old.orders, new.orders

    assert asyncio.run(story()) == ([], [{"order": "release", "but_last": True}])


def test_a_node_that_comes_back_alone_waits_for_nothing(paths: ClusterPaths) -> None:
    async def story() -> list[Any]:
        worker = FakeTemplate(paths.ray_temp("worker-1") / "warm")
        warmth = made(paths)
        async with await worker.listen():
            warmth.follow(event(Kind.PLANNED, start=["worker-1"], stop=[], keep=["head", "serve"]))
            warmth.follow(event(Kind.STARTING, "worker-1"))
            await settled(warmth)
        return worker.orders

    assert asyncio.run(story()) == [{"order": "release"}]


def test_what_one_node_has_seen_all_learn(paths: ClusterPaths) -> None:
    async def story() -> list[Any]:
        templates = [FakeTemplate(paths.ray_temp(node) / "warm", loaded=("torch",)) for node in NODES]
        (paths.ray_temp("worker-1") / "warm" / "seen").write_text("7 torch\n7 broken\n")
        warmth = made(paths)
        async with await templates[0].listen(), await templates[1].listen():
            await warmth.learn()
        return [template.orders for template in templates]

    assert asyncio.run(story()) == [[{"order": "import", "modules": ["torch", "broken"]}]] * 2
    assert json.loads(paths.learned.read_text()) == {"modules": ["torch"]}


def test_cold_starts_of_every_node_are_told(paths: ClusterPaths) -> None:
    recording = Recording()
    warmth = TemplateControl(paths, recording.recorder, Background(recording.recorder))
    warmth.want(CLUSTER)
    for node in NODES:
        folder = paths.ray_temp(node) / "warm"
        folder.mkdir(parents=True)
        (folder / "fallbacks").write_text(f"1.0\tno template is running\t{node}.py\n")
    asyncio.run(warmth.tell_fallbacks())
    assert [found.data["text"] for found in recording.events] == [
        f"started cold (no template is running): {node}.py" for node in NODES
    ]


def test_what_waits_is_let_go_when_serve_itself_is_started_whatever_it_is_called(paths: ClusterPaths) -> None:
    async def story() -> tuple[list[Any], list[Any]]:
        head = FakeTemplate(paths.ray_temp("head") / "warm")
        warmth = made(paths)
        async with await head.listen():
            warmth.follow(event(Kind.PLANNED, start=["head", "serve"], stop=[], keep=[]))
            warmth.follow(event(Kind.NOT_YET, "serve", gate="submitted", reason="starting to look", stage="waiting"))
            await settled(warmth)
            before = list(head.orders)
            warmth.follow(event(Kind.NOT_YET, "serve", gate="submitted", reason="Serve comes", stage="starting"))
            await settled(warmth)
        return before, head.orders

    assert asyncio.run(story()) == ([], [{"order": "release", "but_last": True}])


def test_what_a_container_writes_there_costs_no_memory_and_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "seen")
    assert taken(tmp_path / "seen") == []
    (tmp_path / "linked").symlink_to("/etc/passwd")
    assert taken(tmp_path / "linked") == []
    with (tmp_path / "fallbacks").open("wb") as file:
        file.write(b"1 json\n")
        file.truncate(1 << 40)
    assert taken(tmp_path / "fallbacks")[0] == "1 json"

    async def promise(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"J" + (2**32 - 1).to_bytes(4, "little"))
        while await reader.read(1000):
            pass  # until it hangs up
        writer.close()

    async def asked() -> object:
        server = await asyncio.start_unix_server(promise, str(tmp_path / "template.socket"))
        try:
            return await asyncio.wait_for(tell(tmp_path, "state"), 10)
        finally:
            server.close()

    assert asyncio.run(asked()) is None


def test_workers_begin_low_as_long_as_applications_are_redeployed(paths: ClusterPaths) -> None:
    async def story() -> None:
        warmth = made(paths)
        template = FakeTemplate(warmth.nodes["head"])
        async with await template.listen():
            for way in ("redeploy", "in-place"):
                warmth.follow(event(Kind.RUN_BEGAN, way=way))
                await settled(warmth)
                warmth.follow(event(Kind.RUN_ENDED))
                await settled(warmth)
        assert [order["on"] for order in template.orders if order["order"] == "low"] == [True, False, False]

    asyncio.run(story())
