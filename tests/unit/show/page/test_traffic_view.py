"""Requests on the page: numbers, small lines, marks of runs; also as a part of its own that is fetched every second."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from starlette.testclient import TestClient

from daybreak.show.page.traffic_view import MOST_DRAWN, application_traffic, left_out, run_marks
from daybreak.timeline.event import RunKind
from tests.unit.show.page.fake import BEGAN, PORT, FakeSource, page
from tests.unit.timeline.replayed import a_run


def counts(requests: int, **values: Any) -> dict[str, Any]:
    zero = {"requests": requests, "failed": 0, "errors": 0, "left": 0, "held": 0}
    latencies = dict.fromkeys(("p50_ms", "p99_ms", "slowest_ms"), 10.0 if requests else None)
    return {**zero, **latencies, **values}


def application(name: str, requests: int, **values: Any) -> dict[str, Any]:
    made = counts(requests, **values)
    return {"name": name, "per_s": requests / 10, "recent": made, "total": made}


def second(at: int, **applications: dict[str, Any]) -> dict[str, Any]:
    return {"at": at, "all": counts(0), "applications": applications}


SHOP = {"seconds": 10, "applications": [application("shop", 124, failed=2, p99_ms=38.0)]}


def test_numbers_are_of_the_last_seconds_and_lines_of_the_last_minutes() -> None:
    seconds = [second(1), second(2, shop=counts(5)), second(3, shop=counts(0)), second(4, shop=counts(10, failed=5))]
    (shop,) = application_traffic(SHOP, seconds)
    assert (shop.name, shop.rate, shop.wrong, shop.latency) == ("shop", "12.4", "2 failed", "p50 10 ms, p99 38 ms")
    assert shop.requests == ("25.00,50.0 50.00,50.0 50.00,100.0 75.00,100.0 75.00,0.0 100.00,0.0",)
    assert shop.failures == ("75.00,50.0 100.00,50.0",)
    assert shop.p99 == ("25.00,0.0 50.00,0.0", "75.00,0.0 100.00,0.0")
    assert (shop.top_rate, shop.top_latency) == ("10/s", "10 ms")


def test_of_many_applications_the_busiest_are_drawn() -> None:
    traffic = {"seconds": 10, "applications": [application(f"app-{number}", number) for number in range(12)]}
    names = [one.name for one in application_traffic(traffic, [])]
    assert set(names) == {f"app-{number}" for number in range(4, 12)}
    assert len(names) == MOST_DRAWN
    assert left_out(traffic) == "and 4 applications more: daybreak traffic"
    assert (left_out(SHOP), left_out(None), application_traffic(None, [])) == ("", "", [])


def test_runs_are_marked_as_far_as_they_are_in_the_picture() -> None:
    seconds = [second(1000 + passed) for passed in range(100)]
    began = {"done": 1010.0, "before": 990.0, "long ago": 900.0, "under way": 1090.0, "stop": 1020.0}
    made = {name: replace(a_run(1, 20.0, kind=RunKind.RESTART), began_wall=at) for name, at in began.items()}
    made["under way"] = replace(made["under way"], duration_s=None)
    made["stop"] = replace(made["stop"], kind=RunKind.STOP)
    marks = run_marks(list(made.values()), seconds, 1095.0)
    assert [(mark.x, mark.width) for mark in marks] == [(10.0, 20.0), (0.0, 10.0), (90.0, 5.0)]
    assert marks[0].words == "run 1: restart"
    assert run_marks(list(made.values()), [], 1095.0) == []


@pytest.mark.parametrize("path", ["/", "/traffic"])
def test_the_page_shows_requests_where_there_is_a_gateway(started: FakeSource, path: str) -> None:
    def look() -> str:
        app, _ = page(started)
        with TestClient(app, base_url=f"http://127.0.0.1:{PORT}") as client:
            answer = client.get(path)
        assert answer.status_code == 200, answer.text
        return str(answer.text)

    assert 'id="traffic" data-live hidden>' in look()
    started.status_of_traffic = {"seconds": 10, "applications": [application("<b>shop", 124)]}
    started.seconds_now = [second(int(BEGAN), **{"<b>shop": counts(10)})]
    text = look()
    assert 'id="traffic" data-live>' in text
    assert "<strong>12.4</strong> requests/s, p50 10 ms, p99 10 ms" in text
    assert "&lt;b&gt;shop" in text
    assert "<b>shop" not in text
    assert '<polyline class="rate" points="0.00,0.0 100.00,0.0"/>' in text


def test_the_part_is_small(started: FakeSource) -> None:
    app, _ = page(started)
    with TestClient(app, base_url=f"http://127.0.0.1:{PORT}") as client:
        assert client.get("/traffic").text.count("<section") == 1
