"""What the gateway counts is what clients have seen: in receipts and as time goes by. One cluster, tests in order."""

from __future__ import annotations

import json
import time
import urllib.error
from typing import Any

import pytest

from tests.helpers import until
from tests.integration.conftest import GATEWAY, Sandbox
from tests.integration.test_crashes import kill_keeper
from tests.load import LONG, SHORT, STREAM, Outcome, app, steady_load

pytestmark = [pytest.mark.ray, pytest.mark.skipif(not GATEWAY, reason="this machine has no HAProxy")]

SPEC = """
workers: {count: 0}
head: {cpus: 2}
gateway: {hold: 180s, drain: 60s}
grafana: false
serve: {applications: [{import: app:main}]}
"""
LASTS_S = 200.0


def totals(sandbox: Sandbox) -> dict[str, Any]:
    """Of all applications together, since the keeper began."""
    counts = [one["total"] for one in sandbox.status()["traffic"]["applications"]]
    return {key: sum(one[key] for one in counts) for key in ("requests", "failed", "errors", "left", "held")}


def totals_with(sandbox: Sandbox, before: dict[str, int], more: int) -> dict[str, int]:
    """When so many more have been counted: the gateway's line comes after the answer, and the keeper reads it then."""
    until(lambda: totals(sandbox)["requests"] >= before["requests"] + more, what="all requests are counted")
    return totals(sandbox)


def test_a_restart_in_place_has_held_what_came_and_lost_nothing(shared: Sandbox) -> None:
    shared.write(SPEC, app_py=app("1"))
    shared.run("up")
    before = totals(shared)
    with steady_load(shared.url, rate=40, kinds=(SHORT, LONG, STREAM), timeout_s=LASTS_S) as load:
        until(lambda: load.report().versions, what="the first answers")
        began = time.monotonic()
        done = shared.run("restart", "--in-place", "--require-lossless", "--json")
        ended = time.monotonic()
    report = load.report()
    assert not report.failed, report
    receipt = json.loads(done.stdout)["receipt"]
    assert (receipt["failed"], receipt["errors"], receipt["left"], receipt["complete"]) == (0, 0, 0, True)
    assert receipt["held"] > 0
    assert receipt["longest_held_ms"] <= receipt["slowest_ms"]
    within = report.where(lambda one: began <= one.done_s <= ended)
    assert receipt["held"] <= receipt["requests"] <= len(within.requests)
    after = totals_with(shared, before, len(report.requests))
    counted = {key: after[key] - before[key] for key in after}
    # One may wait for HAProxy's own check outside of the run as well.
    assert counted.pop("held") >= receipt["held"] + receipt["under_way"]
    assert counted == {"requests": len(report.requests), "failed": 0, "errors": 0, "left": 0}
    assert f"{receipt['requests']:,} requests, 0 failed" in shared.run("perf", "history").stdout


def test_every_restart_tells_what_clients_have_seen(shared: Sandbox) -> None:
    before = totals(shared)
    with steady_load(shared.url, rate=40, kinds=(SHORT,), timeout_s=LASTS_S) as load:
        until(lambda: load.report().versions, what="the first answers")
        told = shared.run("restart").stderr
    report = load.report()
    after = totals_with(shared, before, len(report.requests))
    assert after["requests"] - before["requests"] == len(report.requests)
    wrong = sum(after[key] - before[key] for key in ("failed", "errors"))
    assert wrong == report.failed, report
    line = next(
        line
        for line in told.splitlines()
        if line.startswith(("restart (redeploy) ", "restart (replace) ", "restart (in-place) "))
    )
    assert f" requests, {after['failed'] - before['failed']} failed, " in line


def test_an_answer_that_says_no_is_not_lost(shared: Sandbox) -> None:
    before = totals(shared)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        shared.get("/nowhere")
    assert totals_with(shared, before, 1) == before | {"requests": before["requests"] + 1}


def test_every_second_is_told_and_goes_on_with_another_keeper(shared: Sandbox) -> None:
    kill_keeper(shared)
    with steady_load(shared.url, rate=20, kinds=(SHORT,), timeout_s=LASTS_S) as load:
        until(lambda: load.report().outcomes[Outcome.OK] > 40, what="answers without a keeper")
    # Of what came while no keeper was there nothing is lost but perhaps the line that was on its way.
    came = len(load.report().requests)
    until(lambda: totals(shared)["requests"] >= came - 1, what="the gateway has told the new keeper")
    assert totals(shared)["requests"] <= came
    following = shared.popen("traffic", "--json")
    try:
        assert following.stdout
        found = json.loads(following.stdout.readline())
    finally:
        following.terminate()
        following.communicate()
    assert set(found) == {"at", "all", "applications", "run"}
    page = shared.status()["urls"]["page"].rstrip("/")
    assert "daybreak_requests_total" in shared.get("/metrics", base=page)
    assert 'id="traffic" data-live>' in shared.get("/traffic", base=page)
