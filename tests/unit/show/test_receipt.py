"""What the gateway counted, as people read it."""

from __future__ import annotations

from typing import Any

from daybreak.show.receipt import receipt_line, receipt_text
from daybreak.show.traffic import minute, plain_lines, traffic_lines
from daybreak.timeline.receipt import Receipt


def test_a_receipt_is_one_line() -> None:
    receipt = Receipt(requests=12304, slowest_ms=38)
    expected = "restart (redeploy) 3.10 s, 12,304 requests, 0 failed, slowest 38 ms, held 0"
    assert receipt_line("restart (redeploy)", 3.1, receipt) == expected


def test_what_went_wrong_is_told_where_it_did() -> None:
    receipt = Receipt(requests=1, failed=1, errors=2, left=3, held=4, longest_held_ms=2900)
    expected = "1 request, 1 failed, 2 answered with an error, 3 left by their clients, held 4 for at most 2.90 s"
    assert receipt_text(receipt) == expected
    assert receipt_text(Receipt()) == "0 requests, 0 failed, held 0"
    under_way = "3 requests, 0 failed, held 0, 2 more that waited are still being answered"
    assert receipt_text(Receipt(requests=3, under_way=2)) == under_way
    assert receipt_text(Receipt(rehearsed=43)) == "0 requests, 0 failed, held 0, rehearsed 43"
    assert receipt_text(Receipt(rehearsed=0)) == "0 requests, 0 failed, held 0, rehearsed 0"
    away = "0 requests, 0 failed, held 0; the gateway was away itself, and whom it refused is not counted"
    assert receipt_text(Receipt(complete=False)) == away


def counts(**values: Any) -> dict[str, Any]:
    zero = dict.fromkeys(("requests", "failed", "errors", "left", "held"), 0)
    return {**zero, "p50_ms": None, "p99_ms": None, "slowest_ms": None, **values}


def test_each_application_has_one_line_of_the_last_seconds() -> None:
    shop = {"name": "shop", "per_s": 12.4, "recent": counts(failed=1, p50_ms=0.6, p99_ms=38.2, slowest_ms=1200)}
    nobody = {"name": "-", "per_s": 0.0, "recent": counts()}
    assert traffic_lines({"seconds": 10, "applications": [shop, nobody]}) == [
        "TRAFFIC     REQUESTS/S  FAILED  ERRORS  LEFT  HELD         P50    P99  SLOWEST",
        "shop              12.4       1       0     0     0  under 1 ms  38 ms   1.20 s",
        "(no route)           0       0       0     0     0           -      -        -",
    ]


def test_without_a_gateway_or_before_the_first_request_there_is_nothing_to_show() -> None:
    assert traffic_lines(None) == []
    assert traffic_lines({"seconds": 10, "applications": []}) == []


def second(at: int, requests: int, run: str | None = None) -> dict[str, Any]:
    shop = counts(requests=requests, held=requests if run else 0, p50_ms=4.0 if requests else None, p99_ms=38.0)
    return {"at": at, "run": run, "all": shop, "applications": {"shop": shop}}


def test_a_second_is_a_line_for_each_application() -> None:
    assert plain_lines(second(1, 12)) == ["shop  12 requests/s, 0 failed, 0 errors, p50 4 ms, p99 38 ms"]
    assert plain_lines(second(1, 0, "restart")) == ["shop  0 requests/s, 0 failed, 0 errors  during restart"]
    nothing = {"at": 1, "run": None, "all": counts(), "applications": {}}
    assert plain_lines(nothing) == ["all  0 requests/s, 0 failed, 0 errors"]


def test_the_last_minute_has_bars_and_marks_of_runs() -> None:
    lines = minute([second(1, 0), second(2, 5, "restart"), second(3, 10)])
    assert lines[1].split()[:2] == ["shop", "10"]
    assert lines[2:] == [" ▄█  at most 10 requests/s", " ^ a run"]
    assert minute([second(1, 3)])[2:] == ["█  at most 3 requests/s"]
