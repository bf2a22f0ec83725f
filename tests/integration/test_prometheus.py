"""A real Prometheus beside a real cluster: it finds everything, and keeps what it has measured over a restart."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import urllib.error
import urllib.parse
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from dashboards.boards import ALL

from tests.helpers import until
from tests.integration.conftest import APP, RAY_RELEASE, Sandbox
from tests.integration.grafana import install, provided, queries

pytestmark = [
    pytest.mark.ray,
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed"),
]
# An actor, an object and tasks that are there for as long as Prometheus needs to see them.
WORK = """
import time
import numpy
import ray

ray.init(log_to_driver=False)


@ray.remote(num_cpus=0.1)
def work():
    time.sleep(2)


@ray.remote(num_cpus=0.1)
class Worker:
    def ready(self):
        return True


worker = Worker.remote()
ray.get(worker.ready.remote())
kept = ray.put(numpy.zeros(1_000_000))
print("working", flush=True)
while True:
    ray.get([work.remote() for _ in range(4)])
"""
HAPROXY_SINCE = (2, 55)
SPEC = """
workers: {count: 1}
serve:
  applications: [{import: "app:main"}]
  health: /health
prometheus: {retention: 1d, interval: 2s}
"""
# Ray's own dashboards ask for much that a cluster without GPUs, batch jobs and language models does not have.
LEAST_OF_RAYS = 30


@pytest.fixture(scope="module")
def cluster(shared: Sandbox) -> Sandbox:
    shared.env["PATH"] = f"{install(shared.folder / 'grafana')}:{os.environ['PATH']}"
    shared.write(SPEC, app_py=APP)
    shared.run("up")
    return shared


def address(sandbox: Sandbox) -> str:
    return f"http://127.0.0.1:{9090 + sandbox.offset}"


def ask(sandbox: Sandbox, path: str, **query: str) -> Any:
    answer = sandbox.get(f"/api/v1/{path}?{urllib.parse.urlencode(query)}", base=address(sandbox))
    assert answer["status"] == "success"
    return answer["data"]


def series(sandbox: Sandbox, query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ask(sandbox, "query", query=query)["result"]
    return found


def targets(sandbox: Sandbox) -> dict[tuple[str, str], str]:
    """Health by job and node (or address) of all that it reads."""
    active = ask(sandbox, "targets", state="active")["activeTargets"]
    return {
        (row["labels"]["job"], row["labels"].get("node", row["labels"]["instance"])): row["health"] for row in active
    }


def test_it_runs_beside_the_cluster_and_says_where(cluster: Sandbox) -> None:
    status = cluster.status()
    assert status["urls"]["prometheus"] == address(cluster)
    assert status["absent"] == {}
    assert cluster.services()["prometheus"]["tier"] == "observe"
    assert cluster.services()["prometheus"]["state"] == "ready"


def test_rays_dashboard_is_linked_with_prometheus_and_grafana(cluster: Sandbox) -> None:
    grafana = f"http://127.0.0.1:{3000 + cluster.offset}"
    assert cluster.status()["urls"]["grafana"] == grafana
    assert cluster.services()["grafana"]["state"] == "ready"
    token = cluster.root / "secrets" / "ray-token"
    headers = {"Authorization": f"Bearer {token.read_text().strip()}"} if RAY_RELEASE >= (2, 52) else {}

    def told() -> Any:
        return cluster.get("/api/grafana_health", base=cluster.dashboard, headers=headers)

    linked = until(told, what="Ray's dashboard finds Grafana")
    assert linked["result"]
    assert linked["data"]["grafanaHost"] == grafana
    assert linked["data"]["dashboardDatasource"] == "Prometheus"
    assert cluster.get("/api/prometheus_health", base=cluster.dashboard, headers=headers)["result"]


@pytest.mark.one_ray
def test_its_configuration_is_valid(cluster: Sandbox) -> None:
    config = cluster.root / "config" / "prometheus.yml"
    assert config.stat().st_mode & 0o777 == 0o600
    done = subprocess.run(["promtool", "check", "config", str(config)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_reads_the_keeper_and_every_node(cluster: Sandbox) -> None:
    def all_read() -> bool:
        found = targets(cluster)
        nodes = {node for job, node in found if job == "ray"}
        return nodes >= {"head", "worker-1"} and set(found.values()) == {"up"}

    until(all_read, what="every target is up")
    ready = series(cluster, "daybreak_service_ready == 1")
    assert {row["metric"]["service"] for row in ready} >= {"head", "worker-1", "serve"}

    def all_told() -> bool:
        return {row["metric"]["node"] for row in series(cluster, "ray_node_mem_used")} >= {"head", "worker-1"}

    until(all_told, what="every node has told its memory")


def test_a_restart_of_the_app_tier_leaves_it_and_its_data_alone(cluster: Sandbox) -> None:
    before = cluster.services()["prometheus"]
    until(lambda: series(cluster, "daybreak_cluster_generation == 1"), what="generation 1 was measured")
    cluster.run("restart", "--in-place")
    assert cluster.services()["prometheus"]["pid"] == before["pid"]
    until(lambda: series(cluster, "daybreak_cluster_generation == 2"), what="generation 2 is measured")
    assert series(cluster, "min_over_time(daybreak_cluster_generation[10m]) == 1")
    until(lambda: set(targets(cluster).values()) == {"up"}, what="the new nodes are found")


@pytest.mark.one_ray
def test_what_it_has_measured_is_there_after_down_and_up(cluster: Sandbox) -> None:
    cluster.run("down")
    cluster.run("up")
    assert series(cluster, "min_over_time(daybreak_cluster_generation[30m]) == 1")


@pytest.mark.one_ray
def test_it_is_restarted_when_it_crashes(cluster: Sandbox) -> None:
    pid = cluster.services()["prometheus"]["pid"]
    os.kill(pid, 9)
    until(
        lambda: (row := cluster.services()["prometheus"])["state"] == "ready" and row["pid"] != pid,
        what="it is back",
    )


@pytest.mark.one_ray
def test_its_alerts_are_loaded(cluster: Sandbox) -> None:
    rules = ask(cluster, "rules")["groups"][0]["rules"]
    assert {rule["health"] for rule in rules} <= {"ok", "unknown"}
    assert {rule["name"] for rule in rules} >= {"HeadDown", "CrashLoop", "StartSlow", "DiskNearlyFull"}


def test_every_query_of_every_dashboard_finds_something_under_load(cluster: Sandbox) -> None:
    (cluster.folder / "work.py").write_text(WORK)
    before = cluster.services()["worker-1"]["pid"]
    os.kill(cluster.pid_of("worker-1", "raylet"), 9)
    until(
        lambda: (row := cluster.services()["worker-1"])["state"] == "ready" and row["pid"] != before,
        what="the worker is back",
    )
    until(lambda: cluster.status()["state"] == "ready", what="the cluster is well again")
    driver = cluster.popen("run", "--", "python", "work.py")
    asked = {query.replace("$__rate_interval", "1m") for board in ALL for query in board.queries}
    if RAY_RELEASE < HAPROXY_SINCE:
        asked = {query for query in asked if "daybreak_ingress_" not in query}
    assert len(asked) > 20

    def found() -> bool:
        for path in ("/", "/", "/broken"):
            with contextlib.suppress(urllib.error.HTTPError):
                cluster.get(path)
        missing.intersection_update({query for query in missing if not series(cluster, query)})
        return not missing

    missing = set(asked)
    try:
        until(found, what="every query has an answer", timeout_s=150)
    except AssertionError as error:
        raise AssertionError(f"{error}: nothing for {sorted(missing)}") from None
    else:
        rays_own_dashboards_find_something(cluster)
    finally:
        driver.send_signal(signal.SIGINT)
        driver.communicate(timeout=120)


def rays_own_dashboards_find_something(cluster: Sandbox) -> None:
    """They lie where Grafana looks for them, Prometheus takes every query, and many have an answer."""
    boards = provided(cluster.root)
    assert {board["uid"] for board in boards["daybreak"]} == {board.uid for board in ALL}
    assert {"rayDefaultDashboard", "rayServeDashboard"} <= {board["uid"] for board in boards["Ray"]}
    answered: list[str] = []
    refused: list[str] = []
    for query in sorted({query for board in boards["Ray"] for query in queries(board)}):
        try:
            answered += [query] if series(cluster, query) else []
        except urllib.error.HTTPError as error:
            refused += [query] if error.code == HTTPStatus.BAD_REQUEST else []
    assert refused == []
    assert len(answered) >= LEAST_OF_RAYS, answered


@pytest.mark.one_ray
def test_a_port_that_is_taken_is_told_and_fails_nothing(sandbox: Sandbox) -> None:
    with socket.create_server(("127.0.0.1", 9090 + sandbox.offset)):
        sandbox.write("workers: {count: 0}\nprometheus: {}\n")
        sandbox.run("up")
        told = sandbox.run("status").stdout
    assert f"prometheus   not started: port {9090 + sandbox.offset} is in use by" in told
    assert "prometheus" not in sandbox.services()


@pytest.mark.one_ray
def test_where_it_is_not_installed_status_says_how_to_get_it(sandbox: Sandbox, tmp_path: Path) -> None:
    # Everything that is on PATH but Prometheus.
    for folder in reversed(os.environ["PATH"].split(":")):
        for program in Path(folder).glob("*"):
            link = tmp_path / program.name
            if program.name != "prometheus":
                link.unlink(missing_ok=True)
                link.symlink_to(program)
    sandbox.env["PATH"] = str(tmp_path)
    sandbox.write("workers: {count: 0}\nprometheus: {}\n")
    sandbox.run("up")
    assert "prometheus   not installed: " in sandbox.run("status").stdout
    assert json.loads(sandbox.run("status", "--json").stdout)["state"] == "ready"
