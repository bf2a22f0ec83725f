"""The open loop against a server that misbehaves: what became of each request, and latency from when it was due."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest
from bench.openloop.process import LoopFailed, OpenLoop
from bench.openloop.records import Kind, Outcome, Settings, Shape

from tests.helpers import free_port, until
from tests.load import steady_load
from tests.unit.bench.misbehaving import ENDINGS, Misbehaving, misbehaving

ENOUGH = 6
BECOMES = {
    "/whole": Outcome.OK,
    "/stream": Outcome.OK,
    **dict.fromkeys(ENDINGS, Outcome.CUT),
    "/last-part-missing": Outcome.CUT,
    "/404": Outcome.NOT_FOUND,
    "/500": Outcome.SERVER_ERROR,
    "/503": Outcome.SERVER_ERROR,
    "/302": Outcome.OTHER_STATUS,
}


@pytest.fixture
def server() -> Iterator[Misbehaving]:
    with misbehaving() as server:
        yield server


def http(path: str) -> Kind:
    return Kind(path, path, 1, ends_with="end\n" if path in ("/stream", "/last-part-missing") else "")


def loop(port: int, *kinds: Kind, rate: float = 100.0, timeout_s: float = 60.0) -> OpenLoop:
    return steady_load(f"http://127.0.0.1:{port}", rate=rate, kinds=kinds, timeout_s=timeout_s)


def has(load: OpenLoop, count: int = ENOUGH) -> bool:
    """Whether so many requests of each kind have ended."""
    report = load.report()
    return all(len(report.of(kind).requests) >= count for kind in report.kinds)


def test_each_request_is_counted_as_what_became_of_it(server: Misbehaving) -> None:
    # What is answered gets all the time that it takes on a busy machine.
    with loop(server.port, *map(http, BECOMES)) as load, loop(server.port, http("/silent"), timeout_s=1.0) as never:
        until(lambda: has(load) and has(never), what="requests of each kind")
    assert set(never.report().outcomes) == {Outcome.TIMED_OUT}
    report = load.report()
    found = {path: set(report.of(path).outcomes) for path in BECOMES}
    assert found == {path: {outcome} for path, outcome in BECOMES.items()}
    assert report.failed == sum(len(report.of(path).requests) for path in BECOMES if BECOMES[path] != Outcome.OK)
    assert report.of("/503").requests[0].status == 503
    assert report.versions == {"7"}


def test_where_nobody_listens_requests_are_refused() -> None:
    with loop(free_port(), http("/whole")) as load:
        until(lambda: has(load), what="requests")
    assert set(load.report().outcomes) == {Outcome.REFUSED}


def test_a_stall_shows_in_the_latency_of_everything_that_was_due_meanwhile(server: Misbehaving) -> None:
    """A closed loop would ask no more while nothing is answered, and nobody would see the stall but one request."""
    with loop(server.port, http("/whole")) as load:
        until(lambda: has(load), what="requests before the stall")
        server.answering.clear()
        stalled_s, before = time.monotonic(), server.received["/whole"]
        until(lambda: server.received["/whole"] >= before + 150, what="requests though none is answered")
        answered_s = time.monotonic()
        server.answering.set()
        until(lambda: load.report().first_answer_s("7") and has(load, 200), what="answers after the stall")
    report = load.report()
    assert not report.failed, report
    meanwhile = [one for one in report.requests if stalled_s + 0.1 < one.due_s < answered_s]
    assert len(meanwhile) > 100
    assert all(one.latency_s >= answered_s - one.due_s for one in meanwhile)
    assert report.slowest_s is not None
    assert report.slowest_s >= answered_s - meanwhile[0].due_s
    dues = sorted(one.due_s for one in report.requests)
    assert dues == pytest.approx([dues[0] + number / 100 for number in range(len(dues))])


def test_every_other_request_goes_over_a_kept_connection(server: Misbehaving) -> None:

    def shared() -> bool:
        asked = len(load.report().requests)
        return asked >= 40 and asked // 2 < server.connections < asked

    # Requests that all were due in one moment, after a stall, find no connection that is free: there are more then.
    with loop(server.port, http("/whole")) as load:
        until(shared, what="a connection for every other request, and few for the rest")


@pytest.mark.parametrize(
    ("path", "third"),
    [
        ("/ws", Outcome.OK),
        ("/ws-cut", Outcome.CUT),
        ("/ws-1011", Outcome.CUT),
        ("/ws-1012", Outcome.CLOSED),
        ("/ws-1001", Outcome.CLOSED),
    ],
)
def test_a_websocket_connects_again_after_its_end(server: Misbehaving, path: str, third: Outcome) -> None:
    talk = Kind("talk", path, 1, shape=Shape.WEBSOCKET)
    with loop(server.port, talk, rate=20) as load:
        until(lambda: has(load, 12), what="messages")
    report = load.report()
    assert set(report.outcomes) == {Outcome.OK, third}
    assert report.versions == {"7"}
    assert bool(report.failed) == (third == Outcome.CUT)
    # Two connections carry ten messages a second each; every third message ends one.
    assert server.received[path] == 2 if third == Outcome.OK else server.received[path] > 2


@pytest.mark.parametrize(("path", "outcome"), [("/404", Outcome.NOT_FOUND), ("/whole", Outcome.OTHER_STATUS)])
def test_a_websocket_that_is_not_opened_is_counted_by_its_status(
    server: Misbehaving, path: str, outcome: Outcome
) -> None:
    with loop(server.port, Kind("talk", path, 1, shape=Shape.WEBSOCKET), rate=20) as load:
        until(lambda: has(load), what="messages")
    assert set(load.report().outcomes) == {outcome}


def test_messages_are_due_though_none_is_answered(server: Misbehaving) -> None:
    """One that times out takes its connection with it: the next ones do not wait on a dead one."""
    server.answering.clear()
    with loop(server.port, Kind("talk", "/ws", 1, shape=Shape.WEBSOCKET), rate=20, timeout_s=0.5) as load:
        until(lambda: has(load, 12), what="messages")
        server.answering.set()
        until(lambda: load.report().outcomes[Outcome.OK], what="an answer on another connection")
    assert load.report().outcomes[Outcome.TIMED_OUT] >= 12


def test_a_loop_that_breaks_is_no_measurement(server: Misbehaving) -> None:
    with pytest.raises(LoopFailed), loop(server.port, http("/whole")) as load:
        assert load.pid
        os.kill(load.pid, signal.SIGKILL)
        until(lambda: load.report() and False, what="the end of the loop")


def test_the_loop_ends_with_whoever_started_it(server: Misbehaving) -> None:
    """Its standard input ends then, also where nobody says goodbye."""
    with loop(server.port, http("/whole")) as load:
        load.stop()
        count = len(load.report().requests)
        assert count
    assert len(load.report().requests) == count


def test_settings_survive_their_way_into_the_process() -> None:
    settings = Settings("127.0.0.1", 8000, 30.0, (http("/whole"), Kind("talk", "/ws", 2, shape=Shape.WEBSOCKET)))
    assert Settings.from_json(settings.to_json()) == settings
    assert settings.rate_of(settings.kinds[1]) == 20.0
