"""The keeper's side: when the page begins, what happens where its port is taken, and that it moves with the spec."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from daybreak.keeper.background import Background
from daybreak.keeper.gateway.traffic import Traffic
from daybreak.keeper.page.keeper_page import KeeperPage
from daybreak.paths import ClusterPaths
from daybreak.services.build import Cluster
from daybreak.services.service import Tier
from daybreak.services.site import RayInstall, Site
from daybreak.services.watching.processes import PAGE_TOKEN, SCRAPE_TOKEN
from daybreak.spec.model import Spec
from daybreak.states import ClusterState, PageState
from daybreak.timeline.event import Event, Kind
from daybreak.timeline.status import PageStatus, Snapshot
from tests.helpers import free_port
from tests.unit.helpers import Recording, service

SNAPSHOT = Snapshot("demo", ClusterState.STOPPED)


def no_traffic() -> Traffic:
    """A cluster without a gateway."""
    return Traffic(Background(Recording().recorder))


def cluster(folder: Path, port: int, *, tier: Tier = Tier.APP, **spec: Any) -> Cluster:
    site = Site(
        base=str(folder),
        root=str(folder),
        runtime=str(folder),
        logs=str(folder),
        data=str(folder),
        secrets_folder=str(folder),
        ray=RayInstall("2.60.0", "python", "ray"),
        node_ip="127.0.0.2",
        secrets={PAGE_TOKEN: "secret", SCRAPE_TOKEN: "another"},
    )
    made = Spec.model_validate({"name": "demo", "ports": {"page": port}, **spec})
    return Cluster(made, site, (service("head", tier),))


@pytest.fixture
def kept(tmp_path: Path) -> KeeperPage:
    paths = ClusterPaths("demo", tmp_path / "state", tmp_path / "runtime")
    paths.ensure()
    return KeeperPage(paths, lambda: SNAPSHOT, lambda: True, Background(Recording().recorder), no_traffic())


async def answers(port: int) -> bool:
    """Whether a page answers there."""

    def get() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
                return bool(answer.read() == b"ok\n")
        except urllib.error.URLError:
            return False

    return await asyncio.to_thread(get)


async def end(kept: KeeperPage, folder: Path) -> None:
    """Switch the page off."""
    kept.want(cluster(folder, 1, page=False))
    await kept.open()


def run(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


def test_the_first_response_begins_it(kept: KeeperPage, tmp_path: Path) -> None:
    async def story() -> None:
        port = free_port()
        kept.want(cluster(tmp_path, port, serve={"applications": [{"import": "app:main"}]}))
        kept.follow(Event(Kind.READY, 1.0, 0.0, "head"))
        assert kept.state() == PageStatus(PageState.STARTING, f"http://127.0.0.1:{port}/")
        assert not kept.is_opening  # the head alone answers nobody
        kept.follow(Event(Kind.READY, 2.0, 0.0, "serve"))
        await kept.open()
        assert kept.state().state is PageState.LISTENING
        assert await answers(port)
        login = kept.login()
        assert login is not None
        assert login.startswith(f"http://127.0.0.1:{port}/?token=")
        await end(kept, tmp_path)
        assert not await answers(port)

    run(story())


def test_who_comes_before_it_answers_waits_and_is_not_refused(
    kept: KeeperPage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prometheus asks for its targets while the page is still being imported."""
    go = threading.Event()
    monkeypatch.setattr("daybreak.keeper.page.page_server._import", lambda: go.wait(60))

    async def story() -> None:
        port = free_port()
        kept.want(cluster(tmp_path, port))
        opening = kept.open_soon()
        await asyncio.sleep(0)
        asking = asyncio.create_task(answers(port))
        done, _ = await asyncio.wait({asking}, timeout=0.2)
        assert not done
        assert kept.claims(cluster(tmp_path, port)) == [], "the port is its own already"
        go.set()
        await opening
        assert await asking
        await end(kept, tmp_path)

    run(story())


def test_a_start_that_takes_long_is_shown_before_it_answers(tmp_path: Path) -> None:
    async def story() -> None:
        port = free_port()
        paths = ClusterPaths("demo", tmp_path / "state", tmp_path / "runtime")
        paths.ensure()
        kept = KeeperPage(paths, lambda: SNAPSHOT, lambda: True, Background(Recording().recorder), no_traffic(), 0.0)
        kept.want(cluster(tmp_path, port, serve={"applications": [{"import": "app:main"}]}))
        kept.follow(Event(Kind.RUN_BEGAN, 0.0, 0.0, data={"run_kind": "startup"}))
        kept.follow(Event(Kind.RUN_ENDED, 0.0, 0.0))
        await asyncio.sleep(0)
        assert not kept.is_opening  # what has ended is not waited for
        kept.follow(Event(Kind.RUN_BEGAN, 0.0, 0.0, data={"run_kind": "stop"}))
        await asyncio.sleep(0)
        assert not kept.is_opening  # nor is what ends
        kept.follow(Event(Kind.RUN_BEGAN, 0.0, 0.0, data={"run_kind": "startup"}))
        while not kept.is_opening:
            await asyncio.sleep(0)
        await kept.open()
        assert await answers(port)
        await end(kept, tmp_path)

    run(story())


def test_a_taken_port_is_told_with_its_owner_and_tried_again(kept: KeeperPage, tmp_path: Path) -> None:
    async def story() -> None:
        with socket.socket() as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind(("127.0.0.1", free_port()))  # nor does anybody listen at another address
            taken.listen()
            port = int(taken.getsockname()[1])
            kept.want(cluster(tmp_path, port))
            await kept.open()
            state = kept.state()
            assert (state.state, kept.login()) == (PageState.FAILED, None)
            assert f"port {port} is in use by" in state.reason
            assert f"(pid {os.getpid()})" in state.reason
        await kept.open()
        assert kept.state() == PageStatus(PageState.LISTENING, f"http://127.0.0.1:{port}/")
        await end(kept, tmp_path)

    run(story())


def test_it_moves_with_the_spec(kept: KeeperPage, tmp_path: Path) -> None:
    async def story() -> None:
        first, second = free_port(), free_port()
        kept.want(cluster(tmp_path, first))
        await kept.open()
        assert kept.claims(cluster(tmp_path, first)) == []
        assert [claim.port for claim in kept.claims(cluster(tmp_path, second))] == [second]
        kept.want(cluster(tmp_path, second))
        await kept.open()
        assert not await answers(first)
        assert await answers(second)
        kept.want(cluster(tmp_path, second, page=False))
        await kept.open()
        assert kept.state().state is PageState.OFF
        assert not await answers(second)
        assert kept.claims(cluster(tmp_path, second, page=False)) == []

    run(story())


def test_what_is_wanted_may_change_while_it_begins(kept: KeeperPage, tmp_path: Path) -> None:
    async def story() -> None:
        first, second = free_port(), free_port()
        kept.want(cluster(tmp_path, first))
        opening = kept.open_soon()
        await asyncio.sleep(0)
        kept.want(cluster(tmp_path, second))
        await opening
        assert await answers(second)
        assert not await answers(first)
        await end(kept, tmp_path)

    run(story())


def test_a_template_alone_has_no_page(kept: KeeperPage, tmp_path: Path) -> None:
    async def story() -> None:
        port = free_port()
        kept.want(cluster(tmp_path, port, tier=Tier.WARM))
        await kept.open()
        assert kept.state().state is PageState.OFF
        assert not await answers(port)

    run(story())


async def streamed(kept: KeeperPage, folder: Path) -> tuple[int, asyncio.StreamReader, asyncio.StreamWriter]:
    """The page's port, once it is served, and a connection that asks for its events."""
    port = free_port()
    kept.want(cluster(folder, port))
    await kept.open()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return port, reader, writer


def test_an_open_stream_ends_with_the_page(kept: KeeperPage, tmp_path: Path) -> None:
    async def story() -> None:
        _, reader, writer = await streamed(kept, tmp_path)
        assert b"200 OK" in await reader.readuntil(b"\r\n")
        kept.follow(Event(Kind.NOTE, 0.0, 0.0, None, None, {"text": "hello"}))
        await reader.readuntil(b"hello")
        async with asyncio.timeout(60):
            await end(kept, tmp_path)
            while await reader.read(4096):
                pass
        writer.close()

    run(story())


def test_a_reader_that_never_reads_delays_nothing(kept: KeeperPage, tmp_path: Path) -> None:
    async def story() -> None:
        port, _, writer = await streamed(kept, tmp_path)
        for _ in range(200):
            for _ in range(100):
                kept.follow(Event(Kind.NOTE, 0.0, 0.0, None, None, {"text": "x" * 1000}))
            await asyncio.sleep(0)
        assert await answers(port)
        async with asyncio.timeout(60):
            await end(kept, tmp_path)
        writer.close()

    run(story())


def test_a_keeper_that_leaves_waits_for_no_reader(
    kept: KeeperPage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        _, reader, writer = await streamed(kept, tmp_path)
        await reader.readuntil(b"retry")
        kept.leave()
        assert kept.state().state is PageState.STARTING  # what is wanted is not served any more
        writer.close()

    run(story())
    logging.getLogger("uvicorn.error").disabled = False
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []
