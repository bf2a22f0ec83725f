"""Requests wait in a real HAProxy while nothing can answer them, and pass when something can."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from daybreak.keeper.background import Background
from daybreak.keeper.gateway import ending
from daybreak.keeper.gateway.ending import close_websockets, drained, let_end
from daybreak.keeper.gateway.pause import Pause, PauseBook
from daybreak.keeper.gateway.runtime_socket import InFlight, command, in_flight
from daybreak.keeper.gateway.steering import Steering
from daybreak.run.plan import Plan, Start, Stop
from daybreak.services.build import Cluster
from daybreak.services.ray import closing
from daybreak.services.service import Tier
from daybreak.services.slots import Slot
from daybreak.spec.model import Warm
from daybreak.timeline.event import Event, Kind
from tests.haproxy import PROGRAMS
from tests.helpers import eventually
from tests.unit.helpers import Recording, service
from tests.unit.keeper.gateway.bench import Bench, Upstream, bench, handle, story, waiting
from tests.unit.services.test_gateway import by_import, with_gateway

pytestmark = pytest.mark.skipif(not PROGRAMS, reason="this machine has no HAProxy")


@pytest.mark.parametrize("program", PROGRAMS)
@story
async def test_requests_wait_until_the_applications_are_ready(folder: Path, program: str) -> None:
    async with bench(folder, program) as made:
        early = [asyncio.create_task(made.get(f"/{number}")) for number in range(50)]
        while await waiting(made) < 50:
            await asyncio.sleep(0.01)
        await made.upstream.start()
        made.tell(Kind.READY, "serve")
        assert {status for status, _ in await asyncio.gather(*early)} == {200}
        assert await waiting(made) == 0
        assert (await made.get())[0] == 200


@pytest.mark.parametrize("program", PROGRAMS)
@story
async def test_who_has_waited_for_long_gets_503_and_when_to_come_again(folder: Path, program: str) -> None:
    async with bench(folder, program, hold=1.0) as made:
        status, text = await made.get()
        assert status == 503
        assert "retry-after: 1" in text.lower()
        assert "no application could answer within 1 s" in text


@pytest.mark.parametrize("program", PROGRAMS)
@story
async def test_what_does_not_answer_is_waited_for_although_nobody_steers(folder: Path, program: str) -> None:
    async with bench(folder, program) as made:
        await made.upstream.start()
        made.tell(Kind.READY, "serve")
        assert (await made.get())[0] == 200
        await made.upstream.stop()
        requests = [asyncio.create_task(made.get(f"/{number}")) for number in range(10)]
        while await waiting(made) < 5:  # the first of them find out
            await asyncio.sleep(0.01)
            requests.append(asyncio.create_task(made.get()))
        await made.upstream.start()
        assert {status for status, _ in await asyncio.gather(*requests)} == {200}


@pytest.mark.parametrize("program", PROGRAMS)
@story
async def test_what_had_begun_when_all_died_waits_as_well_unless_it_must_not_be_sent_twice(
    folder: Path, program: str
) -> None:
    async with bench(folder, program) as made:
        await made.upstream.start()
        made.tell(Kind.READY, "serve")
        begun = [asyncio.create_task(made.get("/slow", method=method)) for method in ("GET", "HEAD", "POST")]
        while (await in_flight(made.socket)).requests < len(begun):
            await asyncio.sleep(0.01)
        await made.upstream.crash()
        while await waiting(made) < 2:
            await asyncio.sleep(0.01)
        late = asyncio.create_task(made.get("/late"))
        while await waiting(made) < 3:
            await asyncio.sleep(0.01)
        assert (await begun[2])[0] == 502
        await made.upstream.start()
        assert [(await one)[0] for one in (*begun[:2], late)] == [200, 200, 200]
        assert await waiting(made) == 0


@story
async def test_a_run_that_ends_the_head_lets_requests_wait_and_what_is_under_way_end(folder: Path) -> None:
    async with bench(folder, PROGRAMS[0]) as made:
        await made.upstream.start()
        made.tell(Kind.READY, "serve")
        slow = asyncio.create_task(made.get("/slow"))
        while (await in_flight(made.socket)).requests != 1:
            await asyncio.sleep(0.01)
        run = asyncio.create_task(made.steering.before(made.steps("head", "serve"), made.recording.recorder))
        await made.until_state("hold")
        late = asyncio.create_task(made.get("/late"))
        while await waiting(made) != 1:
            await asyncio.sleep(0.01)
        assert not run.done()
        made.upstream.go.set()
        await run
        assert (await slow)[0] == 200
        made.tell(Kind.STOPPING, "head")
        assert made.upstream.answered == ["/slow"]
        made.tell(Kind.READY, "serve")
        assert (await late)[0] == 200
        assert made.recording.events == []


@story
async def test_what_does_not_end_in_time_is_cut_and_that_is_told(folder: Path) -> None:
    async with bench(folder, PROGRAMS[0], drain=0.2) as made:
        await made.upstream.start()
        made.tell(Kind.READY, "serve")
        slow = asyncio.create_task(made.get("/slow"))
        while (await in_flight(made.socket)).requests != 1:
            await asyncio.sleep(0.01)
        await made.steering.before(made.steps("head"), made.recording.recorder)
        (event,) = made.recording.events
        assert event.data["text"] == "1 requests that are still being answered are cut off"
        made.upstream.go.set()
        await slow


@contextlib.asynccontextmanager
async def chatting(made: Bench) -> AsyncIterator[None]:
    """A WebSocket is open to the first slot."""
    wanted = ("Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13")
    chat = asyncio.create_task(made.get("/slow", *wanted))
    try:
        while (await in_flight(made.socket)).websockets != 1:
            await asyncio.sleep(0.01)
        yield
    finally:
        chat.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await chat


async def close_when_told(made: Bench, slot: Slot) -> None:
    """Who answers WebSockets in a slot looks for its file, and closes them."""
    (file,) = closing.files(made.cluster.spec, replace(made.cluster.site, slot=slot))
    await eventually(Path(file).exists)
    made.upstream.go.set()


@pytest.mark.parametrize("closes", [True, False])
@story
async def test_websockets_are_closed_at_once_where_nothing_will_answer_and_else_cut_off(
    folder: Path, closes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not closes:
        monkeypatch.setattr(ending, "CLOSED_S", 0.05)
    async with bench(folder, PROGRAMS[0]) as made:
        await made.upstream.start()
        made.tell(Kind.READY, "serve")
        async with chatting(made):
            telling = asyncio.create_task(close_when_told(made, Slot.A if closes else Slot.B))
            await made.steering.before(made.steps("head"), made.recording.recorder)
            telling.cancel()
        (event,) = made.recording.events
        done = "were closed" if closes else "are cut off"
        assert event.data["text"] == f"1 WebSockets {done}: their clients wait where they connect again"


@pytest.mark.parametrize("closes", [True, False])
@story
async def test_websockets_to_a_generation_that_is_asked_no_more_are_closed_soon(
    folder: Path, closes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ending, "SOON_S", 0.05)
    monkeypatch.setattr(ending, "CLOSED_S", 50.0 if closes else 0.05)
    async with bench(folder, PROGRAMS[0], drain=50.0 if closes else 0.1) as made:
        await made.upstream.start()
        made.tell(Kind.READY, "serve")
        async with chatting(made):
            telling = asyncio.create_task(close_when_told(made, Slot.A if closes else Slot.B))
            left, closed = await let_end(made.cluster, Slot.A)
            telling.cancel()
        assert (left, closed) == ((InFlight(), 1) if closes else (InFlight(websockets=1), 0))


@story
async def test_where_nobody_would_close_them_nobody_waits_for_that(folder: Path) -> None:
    async with bench(folder, PROGRAMS[0]) as made:
        await made.upstream.start()
        made.tell(Kind.READY, "serve")
        async with chatting(made):
            cold = made.cluster.spec.model_copy(update={"warm": Warm(enabled=False)})
            assert await close_websockets(replace(made.cluster, spec=cold)) == 0


@pytest.mark.parametrize("stopped", [(), ("worker-2",), ("serve",)])
@story
async def test_a_run_that_leaves_the_head_alone_lets_nobody_wait(folder: Path, stopped: tuple[str, ...]) -> None:
    async with bench(folder, PROGRAMS[0]) as made:
        await made.upstream.start()
        made.tell(Kind.READY, "serve")
        await made.until_state("open")
        await made.steering.before(made.steps(*stopped), made.recording.recorder)
        assert await made.state() == "open"


@story
async def test_a_run_that_was_given_up_before_it_ended_anything_lets_requests_pass_again(folder: Path) -> None:
    async with bench(folder, PROGRAMS[0]) as made:
        await made.upstream.start()
        made.tell(Kind.READY, "serve")
        await made.steering.before(made.steps("head"), made.recording.recorder)
        await made.until_state("hold")
        made.tell(Kind.RUN_ENDED, "")
        assert (await made.get())[0] == 200


@story
async def test_who_waited_for_the_end_of_a_pause_did_not_wait_for_a_later_run(folder: Path) -> None:
    async with bench(folder, PROGRAMS[0]) as made:
        await made.upstream.start()
        made.tell(Kind.READY, "serve")
        await made.until_state("open")
        made.steering.pauses.begin(Pause(0.0))
        await made.steering.obey()
        request = asyncio.create_task(made.get())
        while await waiting(made) != 1:
            await asyncio.sleep(0.01)
        made.steering.pauses.end()
        await made.steering.obey()
        assert (await request)[0] == 200
        await made.steering.before(made.steps("worker-2"), made.recording.recorder)
        assert await made.steering.let_go() == 0


@story
async def test_a_keeper_that_comes_later_opens_what_it_finds(folder: Path) -> None:
    async with bench(folder, PROGRAMS[0]) as made:
        await made.upstream.start()
        made.tell(Kind.ADOPTED, "gateway", ready=True)
        made.tell(Kind.ADOPTED, "serve", ready=True)
        await made.until_state("open")


@story
async def test_the_clients_address_and_scheme_are_told(folder: Path) -> None:
    async with bench(folder, PROGRAMS[0]) as made:
        await made.upstream.start()
        made.tell(Kind.READY, "serve")
        await made.get("/a")
        assert made.upstream.seen[0]["x-forwarded-for"] == "127.0.0.1"
        assert made.upstream.seen[0]["x-forwarded-proto"] == "http"


@story
async def test_only_what_may_be_sent_twice_goes_over_connections_that_were_kept(folder: Path) -> None:
    async with bench(folder, PROGRAMS[0]) as made:
        await made.upstream.start()
        made.tell(Kind.READY, "serve")
        await made.get("/a")
        await made.get("/a", "Content-Length: 0")
        await made.get("/a", "Content-Length: 0", method="POST")
        assert [seen.get("connection") for seen in made.upstream.seen] == [None, "close", "close"]


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize(("method", "status"), [("GET", 200), ("POST", 502)])
@story
async def test_what_a_connection_takes_with_it_is_sent_again_where_that_does_no_harm(
    folder: Path, program: str, method: str, status: int
) -> None:
    """As an HAProxy of Serve's that is being replaced does."""
    async with bench(folder, program) as made:
        await made.upstream.start()
        made.tell(Kind.READY, "serve")
        assert (await made.get("/lost", method=method))[0] == status


@story
async def test_other_applications_have_other_routes(folder: Path) -> None:
    async with bench(folder, PROGRAMS[0]) as made:
        spec = by_import(ports=made.cluster.spec.ports.model_dump(), serve={"applications": [{"import": "b:c"}]})
        cluster = replace(made.cluster, spec=spec)
        place = next(file.path for file in made.gateway.files if file.path.endswith("routes.map"))
        assert "/api api" in await command(made.socket, f"show map {place}")
        made.steering.want(cluster)
        made.tell(Kind.READY, "serve")
        await made.until_state("open")
        assert "/api" not in await command(made.socket, f"show map {place}")


@story
async def test_without_a_gateway_nothing_is_done(tmp_path: Path) -> None:
    recording = Recording()
    background = Background(recording.recorder)
    steering = Steering(background, PauseBook(tmp_path / "pause.json"))
    steering.follow(Event(Kind.READY, 0.0, 0.0, "serve"))
    await steering.before(Plan(stop=(Stop(handle("head"), "restart"),)), recording.recorder)
    cluster = Cluster(by_import(), with_gateway(), (service("head", Tier.APP),))
    steering.want(cluster)
    await steering.before(Plan(start=(Start(service("head"), "not running"),)), recording.recorder)
    await eventually(lambda: not len(background))
    assert recording.events == []


@story
async def test_a_gateway_that_does_not_answer_holds_up_no_run(folder: Path) -> None:
    async with bench(folder, PROGRAMS[0]) as made:
        Path(made.socket).unlink()
        await made.steering.before(made.steps("head"), made.recording.recorder)
        (event,) = made.recording.events
        assert "requests do not wait" in event.data["text"]


@pytest.mark.parametrize("program", PROGRAMS)
@story
async def test_requests_go_to_the_generation_that_it_is_turned_to_and_the_other_one_ends_its_own(
    folder: Path, program: str
) -> None:
    async with bench(folder, program) as made:
        second = Upstream(made.cluster.site.ports["b.head.serve_http"])
        await made.upstream.start()
        await second.start()
        made.tell(Kind.READY, "serve")
        assert (await made.get("/first"))[0] == 200
        slow = asyncio.create_task(made.get("/slow"))
        while (await in_flight(made.socket, Slot.A)).requests != 1:
            await asyncio.sleep(0.01)
        site = replace(made.cluster.site, slot=Slot.B, ports={**made.cluster.site.ports})
        await made.steering.turn_to(replace(made.cluster, site=site), leaves=True)
        assert {(await made.get(f"/{number}"))[0] for number in range(5)} == {200}
        assert second.answered == [f"/{number}" for number in range(5)]
        left = await drained(made.socket, 0.05, Slot.A)
        assert left.requests == 1
        made.upstream.go.set()
        assert (await slow)[0] == 200
        assert await drained(made.socket, 5.0, Slot.A) == InFlight()
        assert made.upstream.answered == ["/first", "/slow"]
        await second.end()
