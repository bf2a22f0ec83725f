"""The page of a real cluster: there when `up` returns, live, told by a new keeper as well, refused where it must be."""

from __future__ import annotations

import json
import os
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from daybreak.machine.ports import is_free
from tests.browser.conftest import browser
from tests.helpers import has_gone, until
from tests.integration.conftest import APP, Sandbox

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from playwright.sync_api import Page as BrowserPage

pytestmark = pytest.mark.ray
__all__ = ["browser"]  # a fixture of another folder

SPEC = """
workers: {count: 1}
serve:
  applications: [{import: "app:main"}]
  health: /health
"""


def page(sandbox: Sandbox) -> str:
    return f"http://127.0.0.1:{8080 + sandbox.offset}"


def read(sandbox: Sandbox, path: str, **headers: str) -> str:
    """GET from the page; raises HTTPError."""
    request = urllib.request.Request(page(sandbox) + path, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        error.close()
        raise


def refused(sandbox: Sandbox, path: str, **headers: str) -> int:
    with pytest.raises(urllib.error.HTTPError) as caught:
        read(sandbox, path, **headers)
    return caught.value.code


def row(name: str) -> str:
    return f'#services tr[data-key="{name}"]'


def shows(watching: BrowserPage, selector: str, text: str) -> None:
    """Wait until an element of the page has this text; nobody loads it anew."""
    watching.wait_for_function(
        "([selector, text]) => document.querySelector(selector)?.textContent.includes(text)",
        arg=[selector, text],
        timeout=60_000,
    )


def values(sandbox: Sandbox, name: str) -> dict[str, float]:
    """The samples of a metric, by their labels as written."""
    lines = [line for line in read(sandbox, "/metrics").splitlines() if line.startswith((f"{name}{{", f"{name} "))]
    return {line.rpartition(" ")[0].removeprefix(name): float(line.rpartition(" ")[2]) for line in lines}


def restart(sandbox: Sandbox, token: str) -> Any:
    request = urllib.request.Request(
        f"{page(sandbox)}/actions/restart", method="POST", headers={"Authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def test_it_is_there_when_up_returns(shared: Sandbox) -> None:
    shared.write(SPEC, app_py=APP)
    done = shared.run("up")
    assert f"page         {page(shared)}/" in done.stdout
    assert shared.run("page").stdout.strip() == f"{page(shared)}/"
    text = read(shared, "/")
    for word in ("worker-1", "Last start", "first response"):
        assert word in text, word
    status = json.loads(read(shared, "/api/status"))
    assert status["state"] == "ready"
    listening = psutil.Process(status["keeper_pid"]).net_connections(kind="tcp")
    addresses = {found.laddr for found in listening if found.status == psutil.CONN_LISTEN}
    assert addresses == {("127.0.0.1", 8080 + shared.offset)}
    assert json.loads(read(shared, "/api/logs/head"))["lines"]


def test_prometheus_finds_every_node_and_they_answer(shared: Sandbox) -> None:
    groups = json.loads(read(shared, "/sd/ray"))
    found = {(group["labels"]["node"], group["labels"]["component"]): group["targets"][0] for group in groups}
    assert {("head", "node"), ("worker-1", "node"), ("head", "dashboard")} <= set(found)
    assert ("head", "autoscaler") not in found  # it does not run
    for address in found.values():
        until(partial(shared.get, "/metrics", base=f"http://{address}"), what=f"metrics at {address}")


def test_metrics_tell_starts_and_traffic(shared: Sandbox) -> None:
    assert values(shared, "daybreak_service_start_duration_seconds_count")['{service="serve"}'] == 1
    assert values(shared, "daybreak_cluster_generation") == {'{cluster="it"}': 1.0}
    assert all(value == 1 for value in values(shared, "daybreak_service_ready").values())
    if values(shared, "daybreak_ingress_up")[""]:
        before = values(shared, "daybreak_ingress_requests_total")[""]
        for _ in range(5):
            shared.get("/health")
        until(
            lambda: values(shared, "daybreak_ingress_requests_total")[""] >= before + 5, what="five requests are told"
        )


@pytest.mark.one_ray
def test_strangers_are_refused(shared: Sandbox) -> None:
    assert refused(shared, "/api/status", Host="evil.example") == 421
    assert refused(shared, "/api/status", Origin="http://evil.example") == 403
    assert refused(shared, "/?token=guessed") == 401


@pytest.mark.one_ray
def test_events_come_as_they_happen_and_the_page_can_restart(shared: Sandbox) -> None:
    token = (shared.root / "secrets/page-token").read_text().strip()
    assert (shared.root / "secrets/page-token").stat().st_mode & 0o777 == 0o600
    with pytest.raises(urllib.error.HTTPError) as caught:
        restart(shared, "wrong")
    caught.value.close()
    assert caught.value.code == 401
    kinds = []
    with urllib.request.urlopen(f"{page(shared)}/api/events", timeout=120) as stream:
        assert restart(shared, token) == {"begun": True}
        for line in stream:
            if line.startswith(b"data: "):
                event = json.loads(line.removeprefix(b"data: "))
                kinds.append((event["kind"], event["service"]))
            if kinds and kinds[-1][0] == "run_ended":
                break
    assert ("ready", "serve") in kinds
    assert "head" not in {service for _, service in kinds}, "the page goes the way that is chosen"
    until(lambda: shared.status()["state"] == "ready", what="the restart is done")
    assert values(shared, "daybreak_service_start_duration_seconds_count")['{service="serve"}'] == 2
    gone = values(shared, "daybreak_service_restart_duration_seconds_count")
    assert not [labels for labels in gone if 'service="serve"' in labels], "it was there all the time"


@pytest.mark.one_ray
def test_a_client_that_reads_nothing_holds_nobody_up(shared: Sandbox, browser: Browser) -> None:
    """Not even a browser that shows the restart as it happens, and then a crash."""
    watching = browser.new_page()
    watching.goto(page(shared))
    shows(watching, ".state", "ready")
    with socket.create_connection(("127.0.0.1", 8080 + shared.offset)) as lazy:
        lazy.sendall(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        restarting = shared.popen("restart", "--in-place")
        shows(watching, ".state", "restarting")
        shows(watching, "#h-last", "Under way: restart")
        shows(watching, row("head"), "starting")
        said = restarting.communicate(timeout=120)
        assert restarting.returncode == 0, said
        shows(watching, row("head"), "ready")
        assert json.loads(read(shared, "/api/status"))["state"] == "ready"
    shows(watching, ".state", "ready")
    os.kill(shared.pid_of("worker-1", "raylet"), signal.SIGKILL)
    shows(watching, "#events .bad", "exited: ")
    shows(watching, row("worker-1"), "crashed")
    shows(watching, ".state", "ready")
    watching.close()


@pytest.mark.one_ray
def test_a_new_keeper_tells_the_same(shared: Sandbox) -> None:
    before = values(shared, "daybreak_service_start_duration_seconds_count")
    keeper = psutil.Process(shared.status()["keeper_pid"])
    keeper.kill()
    until(lambda: has_gone(keeper), what="the keeper has gone")
    shared.run("status")
    until(lambda: read(shared, "/healthz") == "ok\n", what="the new keeper's page")
    assert values(shared, "daybreak_service_start_duration_seconds_count") == before
    assert shared.status()["page"]["state"] == "listening"


@pytest.mark.one_ray
def test_it_moves_with_its_port_and_goes_with_the_cluster(shared: Sandbox) -> None:
    shared.write(SPEC.replace("workers:", "page: {names: [example.com]}\nworkers:"), app_py=APP)
    assert refused(shared, "/healthz", Host="example.com") == 421
    shared.run("up")
    assert read(shared, "/healthz", Host="example.com") == "ok\n"
    shared.write(SPEC.replace("workers:", "page: false\nworkers:"), app_py=APP)
    done = shared.run("up")
    assert "page  " not in done.stdout
    with pytest.raises(urllib.error.URLError):
        read(shared, "/healthz")
    assert "switched off" in shared.run("page", code=1).stderr
    shared.run("down")


@pytest.mark.one_ray
def test_a_taken_port_is_told_before_anything_starts(shared: Sandbox) -> None:
    shared.write(SPEC, app_py=APP)
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", 8080 + shared.offset))
        taken.listen()
        error = shared.run("up", code=1).stderr
    assert f"port {8080 + shared.offset} (page) is in use by" in error
    assert "starting" not in error
    assert shared.processes() == []


@pytest.mark.slow
def test_a_command_that_comes_while_the_keeper_leaves_is_not_lost(sandbox: Sandbox) -> None:
    # The keeper leaves about a second after `down`; an open page must not keep it half-way out. The next command comes
    # at once, when it has just closed its socket, and when the page has gone as well.
    sandbox.write("workers: {count: 0}\ndashboard: false\n")
    sandbox.run("up")
    control = next(sandbox.runtime.glob("*/keeper.sock"))
    moments: list[tuple[str, Callable[[], bool]]] = [
        ("`down` has returned, and it is most probably still there", lambda: True),
        ("it has closed its socket", lambda: not control.exists()),
        ("the page has gone", lambda: is_free(8080 + sandbox.offset)),
    ]
    for what, moment in moments:
        with socket.create_connection(("127.0.0.1", 8080 + sandbox.offset)) as reading:
            reading.sendall(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert reading.recv(4096)
            sandbox.run("down")
            until(moment, what=what)
            sandbox.run("up")
        assert sandbox.status()["state"] == "ready"
