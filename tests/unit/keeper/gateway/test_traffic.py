"""What is counted, for how long it is kept, and which requests belong to a receipt."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from daybreak.keeper.background import Background
from daybreak.keeper.gateway.counts import (
    KEPT_S,
    LEAST_ANSWERS,
    MOST_APPLICATIONS,
    OTHERS,
    Application,
    usual_silence_s,
)
from daybreak.keeper.gateway.request_line import parse
from daybreak.keeper.gateway.traffic import RECENT_S, Traffic
from daybreak.names import GATEWAY
from daybreak.services.build import Cluster
from daybreak.services.edge.repeating import instead_of
from daybreak.services.service import Tier
from daybreak.services.slots import Slot
from daybreak.spec.model import Spec
from daybreak.testing.clock import run
from daybreak.timeline.receipt import Receipt
from tests.unit.helpers import Recording, service
from tests.unit.keeper.gateway.lines import line
from tests.unit.services.test_serving import site

NOW_S = 1_700_000_000


class Clock:
    """Seconds since 1970."""

    def __init__(self) -> None:
        self.now_s = float(NOW_S)

    def __call__(self) -> float:
        return self.now_s


def cluster(folder: Path, *names: str) -> Cluster:
    services = tuple(service(name, Tier.EDGE) for name in names)
    return Cluster(Spec(name="shop"), site(None, runtime=str(folder)), services)


def counting() -> tuple[Traffic, Clock]:
    clock = Clock()
    return Traffic(Background(Recording().recorder), clock), clock


def test_when_an_application_has_last_answered_is_known_and_what_was_lost_is_no_answer() -> None:
    traffic, _ = counting()
    traffic.take([line(NOW_S * 1000, status=500), line(NOW_S * 1000 + 7, status=503)])
    assert traffic.answered_ms == NOW_S * 1000


@pytest.mark.parametrize(
    ("each_s", "count", "took_ms", "silence_s"),
    [
        (1, LEAST_ANSWERS - 1, 10, None),
        (2, 100, 10, 20.0),
        (2, 100, 30_000, 60.0),
        (KEPT_S, LEAST_ANSWERS, 10, None),
    ],
    ids=["too few", "ten of the usual pauses", "twice what most take", "too long ago"],
)
def test_how_quiet_it_may_be_is_learned_from_the_last_minutes(
    each_s: int, count: int, took_ms: int, silence_s: float | None
) -> None:
    one = Application()
    for number in range(count):
        answered = parse(line((NOW_S + number * each_s) * 1000, took_ms=took_ms))
        assert answered
        one.add(answered, NOW_S + number * each_s)
    found = usual_silence_s([one, Application()], NOW_S + count * each_s)
    assert found == (None if silence_s is None else pytest.approx(silence_s, rel=0.05))


def test_requests_are_counted_by_application_and_by_how_they_ended() -> None:
    traffic, _ = counting()
    at = NOW_S * 1000
    traffic.take([line(at), line(at, status=500), line(at, status=503), line(at, state="CD", held_ms=7), b"", b"what"])
    traffic.take([line(at, application="other")])
    totals = {name: counts.to_json() for name, counts in traffic.totals().items()}
    assert totals["shop"] | {"p50_ms": 0, "p99_ms": 0} == {
        "requests": 4,
        "failed": 1,
        "errors": 1,
        "left": 1,
        "held": 1,
        "slowest_ms": 10,
        "p50_ms": 0,
        "p99_ms": 0,
    }
    assert totals["other"]["requests"] == 1


def test_what_another_one_has_answered_counts_against_who_was_asked_first(tmp_path: Path) -> None:
    async def story() -> None:
        traffic, _ = counting()
        traffic.want(cluster(tmp_path, GATEWAY))
        windows = {server: traffic.begin(server) for server in ("a", "b", "")}
        servers = ("a", "b", instead_of(Slot.B))
        traffic.take([line(NOW_S * 1000, server=server) for server in servers])
        seen = {server: window.counts for server, window in windows.items() if window}
        assert {server: (one.requests, one.failed) for server, one in seen.items()} == {
            "a": (1, 0),
            "b": (2, 1),
            "": (3, 0),
        }
        assert traffic.totals()["shop"].failed == 0
        traffic.end()

    run(story())


def test_the_last_seconds_are_told_apart_from_the_total(tmp_path: Path) -> None:
    async def story() -> dict[str, Any]:
        traffic, clock = counting()
        traffic.want(cluster(tmp_path, GATEWAY))
        traffic.take([line(NOW_S * 1000, status=500)] * 30)
        clock.now_s += RECENT_S
        traffic.take([line(round(clock.now_s * 1000) - 1000, took_ms=20)] * 50)
        clock.now_s += 1
        found = traffic.to_json()
        traffic.end()
        assert found is not None
        assert traffic.to_json() is None
        return found

    found = run(story())
    assert found["malformed"] == 0
    (shop,) = found["applications"]
    assert (shop["name"], shop["per_s"], shop["recent"]["errors"]) == ("shop", 50 / RECENT_S, 0)
    assert (shop["total"]["requests"], shop["total"]["errors"]) == (80, 30)


def test_without_a_gateway_nothing_is_told(tmp_path: Path) -> None:
    async def story() -> None:
        traffic, _ = counting()
        traffic.want(cluster(tmp_path, "head"))
        assert traffic.to_json() is None
        assert not traffic.listens

    run(story())


def test_whatever_arrives_only_so_much_is_kept() -> None:
    traffic, clock = counting()
    for passed in range(3 * KEPT_S):
        clock.now_s = NOW_S + passed
        traffic.take([line(round(clock.now_s * 1000), application=f"app-{passed}") for passed in range(40)])
    assert len(traffic.totals()) == MOST_APPLICATIONS + 1
    assert traffic.totals()[OTHERS].requests == 8 * 3 * KEPT_S
    kept = traffic.applications["app-0"]._seconds
    assert len(kept) <= KEPT_S
    # Of the future, or of long ago: both are counted, and make no room of their own.
    before = len(kept)
    traffic.take([line(10**18, application="app-0"), line(1, application="app-0"), line(-5, application="app-0")])
    assert len(kept) == before


def test_a_clock_that_was_set_back_leaves_nothing_behind() -> None:
    traffic, clock = counting()
    traffic.take([line(NOW_S * 1000)])
    clock.now_s -= 3600
    traffic.take([line(round(clock.now_s * 1000))])
    assert list(traffic.applications["shop"]._seconds) == [NOW_S - 3600]


def test_a_receipt_has_what_ended_between_its_begin_and_its_end(tmp_path: Path) -> None:
    async def story() -> Receipt:
        traffic, clock = counting()
        traffic.want(cluster(tmp_path, GATEWAY))
        began = NOW_S * 1000
        window = traffic.begin()
        assert window
        # What ended before is told late, and does not belong to it.
        traffic.take([line(began - 1), line(began, took_ms=900, held_ms=870), line(began + 5, status=503)])
        clock.now_s += 1
        ending = asyncio.create_task(window.end())
        await asyncio.sleep(0)
        # The same at its end; that a later one has come says that all before have.
        traffic.take([line(began + 1000, state="CD"), line(began + 1001, status=500)])
        receipt = await ending
        traffic.take([line(began + 999)])
        assert not traffic._windows
        traffic.end()
        return receipt

    assert run(story()) == Receipt(requests=3, failed=1, errors=0, left=1, slowest_ms=900, held=1, longest_held_ms=870)


def test_a_receipt_is_there_soon_where_no_request_comes(tmp_path: Path) -> None:
    async def story() -> float:
        traffic, _ = counting()
        loop = asyncio.get_running_loop()
        assert traffic.begin() is None  # no gateway
        traffic.want(cluster(tmp_path, GATEWAY))
        window = traffic.begin()
        assert window
        assert await window.end() == Receipt()
        traffic.end()
        return loop.time()

    assert run(story()) < 0.5


def test_lines_of_long_ago_do_not_keep_a_receipt_waiting_forever(tmp_path: Path) -> None:
    async def story() -> float:
        traffic, _ = counting()
        traffic.want(cluster(tmp_path, GATEWAY))
        loop = asyncio.get_running_loop()

        async def tell() -> None:
            while True:
                traffic.take([line(1)])
                await asyncio.sleep(0.01)

        telling = asyncio.create_task(tell())
        window = traffic.begin()
        assert window
        await window.end()
        telling.cancel()
        traffic.end()
        return loop.time()

    assert run(story()) < 2


def test_who_was_let_go_belongs_to_the_receipt_although_the_answer_comes_later(tmp_path: Path) -> None:
    async def story() -> Receipt:
        traffic, clock = counting()
        traffic.want(cluster(tmp_path, GATEWAY))
        began = NOW_S * 1000
        window = traffic.begin()
        assert window
        clock.now_s += 3
        ending = asyncio.create_task(window.end(waited=2))
        await asyncio.sleep(0.2)
        assert not ending.done()
        # One that has waited, one that was quick; then a stream that has waited, and one that waits for something else.
        traffic.take([line(began + 3100, took_ms=2500, held_ms=2400), line(began + 3100)])
        await asyncio.sleep(0.2)
        assert not ending.done()
        traffic.take([line(began + 4400, took_ms=2400, data_ms=1350, held_ms=600)])
        traffic.take([line(began + 4500, took_ms=20, held_ms=10)])
        receipt = await ending
        traffic.end()
        return receipt

    assert run(story()) == Receipt(requests=2, slowest_ms=2500, held=2, longest_held_ms=2400)


def test_who_does_not_come_back_is_not_waited_for_long(tmp_path: Path) -> None:
    async def story() -> float:
        traffic, _ = counting()
        traffic.want(cluster(tmp_path, GATEWAY))
        window = traffic.begin()
        assert window
        assert await window.end(waited=5) == Receipt(under_way=5)
        traffic.end()
        return asyncio.get_running_loop().time()

    assert run(story()) < 10


def test_a_receipt_of_another_version_is_read() -> None:
    assert Receipt.from_json({"requests": 3, "colour": "blue"}) == Receipt(requests=3)
    receipt = Receipt(4, 1, 0, 0, 38, 2, 900, 1, False)
    assert Receipt.from_json(receipt.to_json()) == receipt
