"""Clients of the gateway, while what is behind it starts, is replaced, and dies. One cluster, tests in order."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from daybreak.keeper.gateway.runtime_socket import GatewaySilent, command
from tests.helpers import until
from tests.integration.conftest import GATEWAY, Sandbox
from tests.integration.test_crashes import kill, kill_keeper, until_back
from tests.load import LONG, SHORT, STREAM, WEBSOCKET, Outcome, app, steady_load

pytestmark = [pytest.mark.ray, pytest.mark.skipif(not GATEWAY, reason="this machine has no HAProxy")]

# Connections that last must not hold up the tests.
SPEC = """
workers: {count: 0}
head: {cpus: 2}
page: false
gateway: {hold: 180s, drain: 4s}
serve: {applications: [{import: app:main}]}
"""
LASTS_S = 200.0
RESTARTED = ("head", "serve")


def answer(url: str) -> int:
    with urllib.request.urlopen(url, timeout=LASTS_S) as found:
        return int(found.status)


def test_requests_wait_for_the_first_start(shared: Sandbox) -> None:
    shared.write(SPEC, app_py=app("1"))
    starting = shared.popen("up")
    place = ("127.0.0.1", 8000 + shared.offset)

    def listens() -> bool:
        """Asked by connecting: who looks whether a port is free has it for a moment. Before the gateway is begun, `up`
        itself looks."""
        with socket.create_connection(place):
            return any(shared.root.glob("services/gateway.*.json"))

    until(listens, what="the gateway listens")
    assert starting.poll() is None
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(answer, [shared.url + "/short"] * 8)) == {200}
    _, told = starting.communicate()
    assert starting.returncode == 0, told


def test_a_restart_that_replaces_ray_loses_no_request(shared: Sandbox) -> None:
    before = shared.column("instance")
    dashboard, restarted = shared.status()["urls"]["dashboard"], threading.Event()

    def asked() -> set[int]:
        """What the dashboard answers meanwhile, without a question to the GCS: that is late on a busy machine."""
        found = {answer(dashboard)}
        while not restarted.wait(0.1):
            found.add(answer(dashboard))
        return found

    with (
        steady_load(shared.url, rate=40, kinds=(SHORT, LONG, STREAM), timeout_s=LASTS_S) as load,
        ThreadPoolExecutor(1) as pool,
    ):
        asking = pool.submit(asked)
        try:
            until(lambda: load.report().versions, what="the first answers")
            shared.write(SPEC, app_py=app("2"))
            shared.run("restart", "--in-place")
            until(lambda: "2" in load.report().versions, what="the new code answers")
        finally:
            restarted.set()
        assert asking.result() == {200}
    report = load.report()
    assert report.failed == 0, report
    assert shared.column("instance")["gateway"] == before["gateway"]


def test_connections_that_last_are_closed_in_order_and_made_anew(shared: Sandbox) -> None:
    with steady_load(shared.url, rate=40, kinds=(SHORT, WEBSOCKET), timeout_s=LASTS_S) as load:
        until(lambda: load.report().of(WEBSOCKET).outcomes[Outcome.OK], what="the first messages")
        shared.run("restart", "--in-place")
        restarted = time.monotonic()
        until(
            lambda: load.report().of(WEBSOCKET).since(restarted).outcomes[Outcome.OK],
            what="messages after the restart",
        )
    assert load.report().of(SHORT).failed == 0, load.report()
    # Who answers them has told them to come again.
    assert not load.report().of(WEBSOCKET).outcomes[Outcome.CUT], load.report()


def test_requests_wait_while_a_head_that_was_killed_is_brought_back(shared: Sandbox) -> None:
    before = shared.column("instance")
    with steady_load(shared.url, rate=40, kinds=(SHORT,), timeout_s=LASTS_S) as load:
        until(lambda: load.report().versions, what="the first answers")
        kill(shared.pid_of("head", "raylet"))
        died = time.monotonic()  # to find the raylet takes a busy machine its time, in which all is well
        until_back(shared, before, *RESTARTED)
    report = load.report()
    assert not report.outcomes[Outcome.REFUSED], report
    # What was being answered at that moment may be lost; GET is tried again where its answer had not begun.
    late = [one for one in report.failures if one.due_s > died + 1.0]
    assert not late, report


def waiting(sandbox: Sandbox) -> int:
    """How many requests wait in the gateway."""
    (socket_path,) = sandbox.runtime.glob("*/gw/admin.sock")
    with contextlib.suppress(GatewaySilent):
        return int(asyncio.run(command(str(socket_path), "gateway waiting")))
    return 0


def test_requests_wait_although_no_keeper_is_there(shared: Sandbox) -> None:
    """Nor when the next one comes, which finds a deployment that has done its work, and no head. It is waited for."""
    before, raylet = shared.column("instance"), shared.pid_of("head", "raylet")
    with (
        steady_load(shared.url, rate=20, kinds=(SHORT,), timeout_s=LASTS_S) as load,
        ThreadPoolExecutor(1) as pool,
    ):
        until(lambda: load.report().versions, what="the first answers")
        kill_keeper(shared)
        kill(raylet)
        until(lambda: waiting(shared), what="requests wait")
        held = time.monotonic()
        waits = pool.submit(answer, shared.url + "/short")
        shared.run("wait", "serve", "--timeout", f"{LASTS_S:g}s")
        # Its dashboard may come a little later.
        assert shared.column("state")["head"] in ("starting", "ready")
        assert waits.result() == 200
    until_back(shared, before, *RESTARTED)
    # Until then its replicas may die before what sends requests to them does.
    late = [one for one in load.report().failures if one.due_s > held]
    assert not late, load.report()


def test_a_gateway_that_was_killed_is_started_again_and_opened(shared: Sandbox) -> None:
    before = shared.column("instance")
    kill(shared.pid_of("gateway", "haproxy"))
    until_back(shared, before, "gateway")
    assert answer(shared.url + "/short") == 200


def test_down_ends_it_and_requests_are_refused(shared: Sandbox) -> None:
    shared.run("down")
    with pytest.raises(OSError, match="refused"):
        answer(shared.url + "/short")
