"""A part of the requests goes to a new generation, in a real HAProxy, and what is seen of both is compared."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from daybreak.errors import DaybreakError
from daybreak.keeper.background import Background
from daybreak.keeper.gateway.runtime_socket import command, in_flight
from daybreak.keeper.gateway.traffic import Traffic
from daybreak.keeper.generations import canary
from daybreak.keeper.generations.canary import Canary
from daybreak.names import SERVE
from daybreak.run.canary import LEAST_BAD, Step
from daybreak.services.build import Cluster
from daybreak.services.edge.haproxy_config import ONCE
from daybreak.services.slots import Slot
from daybreak.timeline.event import Kind
from tests.haproxy import PROGRAMS
from tests.helpers import eventually
from tests.unit.helpers import Recording, service
from tests.unit.keeper.gateway.bench import Bench, Upstream, bench, story

pytestmark = pytest.mark.skipif(not PROGRAMS, reason="this machine has no HAProxy")


@contextlib.asynccontextmanager
async def two(folder: Path, program: str) -> AsyncIterator[tuple[Bench, Upstream]]:
    """Both generations answer; requests go to the first one."""
    async with bench(folder, program) as made:
        second = Upstream(made.cluster.site.ports["b.head.serve_http"])
        await made.upstream.start()
        await second.start()
        made.tell(Kind.READY, "serve")
        assert (await made.get("/first"))[0] == 200
        made.upstream.answered.clear()
        try:
            yield made, second
        finally:
            await second.end()


@pytest.mark.parametrize("program", PROGRAMS)
@story
async def test_so_many_per_cent_go_over_whatever_their_method_until_all_do(folder: Path, program: str) -> None:
    async with two(folder, program) as (made, second):
        for percent in (10, 40):
            await made.steering.share(percent)
            made.tell(Kind.RUN_ENDED, "serve")  # whatever has it steered anew
            for method in ("GET", "POST"):
                second.answered.clear()
                assert {(await made.get("/", method=method))[0] for _ in range(30)} == {200}
                assert abs(len(second.answered) - 0.3 * percent) <= 2, (method, percent)
        for slot, answers, rests in ((Slot.A, made.upstream, second), (Slot.B, second, made.upstream)):
            site = replace(made.cluster.site, slot=slot)
            await made.steering.turn_to(replace(made.cluster, site=site), leaves=False)
            rests.answered.clear()
            answers.answered.clear()
            assert {(await made.get("/"))[0] for _ in range(20)} == {200}
            assert (len(answers.answered), len(rests.answered)) == (20, 0)


def tried(made: Bench, traffic: Traffic, *steps: Step) -> tuple[Any, Recording]:
    """The canary of a bench, and what it tells."""
    recording = Recording()
    followers = SimpleNamespace(gateway=made.steering, traffic=traffic)
    targets = []
    for slot in Slot:
        cluster = Cluster(made.cluster.spec, replace(made.cluster.site, slot=slot), (service("serve"), made.gateway))
        targets.append(SimpleNamespace(cluster=cluster, state=SimpleNamespace(slot=slot, generation=7)))
    old, new = cast(Any, targets)
    return Canary(cast(Any, followers), steps)(old, new, recording.recorder), recording


@contextlib.asynccontextmanager
async def asked(made: Bench, *headers: str, method: str = "GET") -> AsyncIterator[tuple[Traffic, Counter[int]]]:
    """Somebody asks all the time, and the keeper listens; what is answered, by status."""
    background = Background(Recording().recorder)
    traffic = Traffic(background)
    traffic.want(made.cluster)

    async def ask() -> None:
        while True:
            answers[(await made.get("/", *headers, method=method))[0]] += 1

    answers: Counter[int] = Counter()
    asking = [asyncio.create_task(ask()) for _ in range(4)]
    try:
        await eventually(traffic.totals)
        yield traffic, answers
    finally:
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        background.close()


@pytest.mark.parametrize("program", PROGRAMS)
@story
async def test_one_that_answers_as_well_gets_its_steps(folder: Path, program: str) -> None:
    async with two(folder, program) as (made, second), asked(made) as (traffic, _):
        trial, recording = tried(made, traffic, Step(20, 0.5), Step(50, 0.5))
        await trial
        told = [event.data["text"] for event in recording.events]
        assert told[0] == "20 % of the requests go to generation 7 for 0.5 s"
        assert told[1] == "50 % of the requests go to generation 7 for 0.5 s"
        assert "requests to the new version" in told[2]
        assert second.answered


KEY = "Idempotency-Key: 7"
# What nobody gets, since the old one answers it then.
FAILS, CUTS, IS_AWAY = "fails", "cuts", "is away"


async def spoil(upstream: Upstream, how: str) -> None:
    """It answers no request well from now on."""
    upstream.status = "" if how == CUTS else "500 Internal Server Error"
    if how == IS_AWAY:
        await upstream.stop()


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize(
    ("how", "method", "headers"),
    [(FAILS, "GET", ()), (FAILS, "POST", (KEY,)), (CUTS, "GET", ()), (IS_AWAY, "GET", ())],
)
@story
async def test_what_one_has_failed_the_old_one_answers_and_it_is_refused(
    folder: Path, program: str, how: str, method: str, headers: tuple[str, ...]
) -> None:
    async with two(folder, program) as (made, second), asked(made, *headers, method=method) as (traffic, answers):
        await spoil(second, how)
        trial, _ = tried(made, traffic, Step(50, 50.0))
        with pytest.raises(DaybreakError, match=r"requests to the new version failed .* 0 of \d+ to the one before"):
            await trial
        assert set(answers) == {200}
    everybody = traffic.totals()
    assert not any(counts.failed + counts.errors for counts in everybody.values())


@pytest.mark.parametrize("program", PROGRAMS)
@story
async def test_what_must_not_be_sent_twice_gets_the_errors_of_the_new_one(folder: Path, program: str) -> None:
    async with two(folder, program) as (made, second), asked(made, method="POST") as (traffic, answers):
        await spoil(second, FAILS)
        trial, _ = tried(made, traffic, Step(50, 50.0))
        with pytest.raises(DaybreakError, match=r"requests to the new version failed .* 0 of \d+ to the one before"):
            await trial
        await eventually(lambda: answers[500] >= LEAST_BAD)


@pytest.mark.parametrize("program", PROGRAMS)
@story
async def test_what_both_answer_with_an_error_is_answered_so_and_asked_of_each_once(folder: Path, program: str) -> None:
    async with two(folder, program) as (made, second):
        for upstream in (made.upstream, second):
            upstream.status = "500 Internal Server Error"
        await made.steering.share(50)
        assert {(await made.get("/"))[0] for _ in range(10)} == {500}
        assert (len(made.upstream.answered), len(second.answered)) == (10, 5)


@pytest.mark.parametrize("program", PROGRAMS)
@story
async def test_what_one_answers_instead_of_the_other_is_under_way_in_that_one(folder: Path, program: str) -> None:
    async with two(folder, program) as (made, second):
        second.status = "500 Internal Server Error"
        await made.steering.share(99)
        slow = [asyncio.create_task(made.get("/slow")) for _ in range(3)]
        second.go.set()
        while (await in_flight(made.socket, Slot.A)).requests != len(slow):
            await asyncio.sleep(0.01)
        made.upstream.go.set()
        assert [(await one)[0] for one in slow] == [200] * len(slow)


@story
async def test_a_slot_in_which_a_keeper_was_killed_has_its_requests_again(folder: Path) -> None:
    async with two(folder, PROGRAMS[0]) as (made, _):
        for backend in (SERVE, ONCE):
            await command(made.socket, f"set server {backend}/b weight 0")
        site = replace(made.cluster.site, slot=Slot.B)
        await made.steering.turn_to(replace(made.cluster, site=site), leaves=False)
        assert [(await made.get("/", method=method))[0] for method in ("GET", "POST")] == [200, 200]


@pytest.mark.parametrize("program", PROGRAMS)
@story
async def test_one_that_nothing_reaches_is_refused(folder: Path, program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canary, "MANY", 10)
    async with two(folder, program) as (made, second), asked(made, method="POST") as (traffic, _):
        await second.stop()
        trial, _ = tried(made, traffic, Step(50, 3.0))
        with pytest.raises(DaybreakError, match=r"none of [\d,]+ requests reached the new version"):
            await trial


@story
async def test_without_somebody_who_counts_nothing_is_compared(folder: Path) -> None:
    async with two(folder, PROGRAMS[0]) as (made, _):
        traffic = Traffic(Background(Recording().recorder))
        trial, _ = tried(made, traffic, Step(50, 2.0))
        with pytest.raises(DaybreakError, match="nothing could be compared"):
            await trial
