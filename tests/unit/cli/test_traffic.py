"""`daybreak traffic` off a terminal: plain lines, or JSON."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from daybreak import api
from daybreak.cli.app import app
from daybreak.keeper.control import client
from daybreak.timeline.event import Event, Kind
from daybreak.timeline.receipt import Receipt

COUNTS = {"requests": 12, "failed": 0, "errors": 0, "left": 0, "held": 0}
SHOP = {**COUNTS, "p50_ms": 4.0, "p99_ms": 38.0, "slowest_ms": 41}
SECOND: dict[str, Any] = {"at": 1_700_000_000, "run": None, "all": SHOP, "applications": {"shop": SHOP}}
ENDED = {"duration_s": 3.1, "outcome": "ok", "receipt": Receipt(requests=40, slowest_ms=38).to_json()}
MESSAGES = (
    {"past": {**SECOND, "at": 1}},
    {"second": SECOND},
    {"event": Event(Kind.RUN_BEGAN, 0.0, 0.0, data={"run_kind": "restart"}).to_json()},
    {"event": Event(Kind.RUN_ENDED, 3.1, 0.0, data=ENDED).to_json()},
    {"second": {**SECOND, "at": 1_700_000_001}},
)


@pytest.fixture(name="traffic")
def _traffic(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    @contextlib.contextmanager
    def request(*_: Any, **__: Any) -> Iterator[Iterator[dict[str, Any]]]:
        yield iter(MESSAGES)

    monkeypatch.setattr(api, "status", lambda _: None)
    monkeypatch.setattr(client, "request", request)
    return lambda *options: CliRunner().invoke(app, ["traffic", "-n", "shop", *options])


def test_off_a_terminal_there_is_a_line_for_each_second_and_for_what_restarted(traffic: Callable[..., Result]) -> None:
    first, second = (time.strftime("%H:%M:%S", time.localtime(SECOND["at"] + passed)) for passed in (0, 1))
    assert traffic().stdout.splitlines() == [
        f"{first}  shop  12 requests/s, 0 failed, 0 errors, p50 4 ms, p99 38 ms",
        "restart 3.10 s, 40 requests, 0 failed, slowest 38 ms, held 0",
        f"{second}  shop  12 requests/s, 0 failed, 0 errors, p50 4 ms, p99 38 ms",
    ]


def test_as_json_there_is_an_object_for_each_second_and_nothing_else(traffic: Callable[..., Result]) -> None:
    found = [json.loads(line) for line in traffic("--json").stdout.splitlines()]
    assert found == [SECOND, {**SECOND, "at": 1_700_000_001}]
