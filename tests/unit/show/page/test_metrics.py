"""What Prometheus reads: every metric, as the table in docs/metrics.md has it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.parser import text_string_to_metric_families as plain_families
from starlette.testclient import TestClient

from daybreak.show.page.application_requests import ApplicationRequests
from daybreak.show.page.haproxy_stats import Traffic, parse
from daybreak.show.page.metric_table import ALL
from daybreak.timeline.event import Kind, RunKind
from tests.unit.show.page.fake import FakeSource, page

DOCS = Path(__file__).parents[4] / "docs" / "metrics.md"
ROW = re.compile(r"^\| `(daybreak_\w+)` \| (\w+) \|([^|]*)\| ([^|]+) \|$")
OPEN_METRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}
SUFFIXES = {"counter": "_total", "info": "_info"}
TRAFFIC = Traffic(3, {"2xx": 2, "5xx": 1}, {"connection": 1, "request": 0, "response": 0}, 170, 423, 1)
OUTCOMES = {"answered": 7, "errors": 1, "failed": 2, "left": 3}
COUNTED = ApplicationRequests("default", OUTCOMES, 4, [(0.005, 6), (0.01, 7), (float("inf"), 8)], 0.25)
SICK = {"name": "App", "status": "UNHEALTHY", "wanted": 3, "running": 1, "message": "sick", "lines": []}
SERVING = {
    "unknown": "",
    "applications": [{"name": "default", "route": "/", "status": "UNHEALTHY", "message": "", "deployments": [SICK]}],
}
FULL = {
    "id": "5f0c",
    "what": "disk-nearly-full",
    "service": None,
    "folder": "/var/lib/shop",
    "title": "the disk of /var/lib/shop is nearly full",
    "reason": "93 % full",
    "since": 1790000000.0,
}
AWAY = {"to": "the webhook at hooks.example.com", "waiting": 2, "trouble": "HTTP 500"}
ALERTS = {"firing": [FULL], "destinations": [AWAY]}
FAR = {
    "name": "far",
    "address": "10.0.0.7",
    "state": "changing",
    "reason": "",
    "latency_s": 0.002,
    "clock_ahead_s": -0.5,
}
NODES = [{"name": "worker-1", "state": "ready"}, {"name": "worker-2", "state": "starting"}]
HOSTS: list[dict[str, Any]] = [{**FAR, "nodes": NODES}, {"name": "b", "state": "lost", "nodes": [], "latency_s": None}]
STATISTICS = """\
# pxname,svname,scur,bin,bout,ereq,econ,eresp,hrsp_1xx,hrsp_2xx,hrsp_3xx,hrsp_4xx,hrsp_5xx,hrsp_other,req_tot,
http_frontend,FRONTEND,1,170,423,2,,,0,1,0,1,0,0,2,
http-default,SERVE_REPLICA_default,0,170,423,,7,8,0,1,0,1,0,0,,
http-default,BACKEND,0,170,423,,3,4,0,1,0,1,0,0,2,
"""


def get(source: FakeSource, path: str, headers: dict[str, str] | None = None) -> str:
    app, _ = page(source)
    with TestClient(app, base_url="http://127.0.0.1:8080") as client:
        answer = client.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    return str(answer.text)


def everything(source: FakeSource) -> None:
    """One of each kind of event that is counted."""
    source.traffic_now = TRAFFIC
    source.requests_now = [COUNTED]
    source.serving = SERVING
    source.alerts = ALERTS
    source.hosts = HOSTS
    source.begin(RunKind.RESTART)
    source.tell(Kind.STOPPING, "head", why="restart")
    source.tell(Kind.STOPPED, "head", 0.5, after_s=0.5, killed=0)
    source.start("head", 1.0)
    source.end()
    source.tell(Kind.EXITED, "worker-1", exit_code=1, reason="exit code 1")
    source.tell(Kind.BACKING_OFF, "worker-1", delay_s=0.0, restarts=1)
    source.tell(Kind.FAILED, "worker-1", reason="no", exit_code=1, log="", tail=[])
    source.tell(Kind.HEALTH, "worker-2", status="failing", reason="no answer")


def test_the_table_in_the_docs_is_true(started: FakeSource) -> None:
    everything(started)
    text = get(started, "/metrics", OPEN_METRICS)
    families = {f.name: f for f in text_string_to_metric_families(text)}  # type: ignore[no-untyped-call]
    rows = [found.groups() for line in DOCS.read_text().splitlines() if (found := ROW.match(line))]
    told = {name: (kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels, _ in rows}
    real = {}
    for name, family in families.items():
        if not name.startswith("daybreak_"):
            continue
        assert family.samples, f"{name} has no sample"
        labels = {label for sample in family.samples for label in sample.labels} - {"le", name}
        real[name + SUFFIXES.get(family.type, "")] = (family.type, labels)
    assert {name: (kind, set(labels)) for name, (kind, labels) in told.items()} == real
    meanings = {name: meaning.strip() for name, _, _, meaning in rows}
    assert meanings == {d.name + SUFFIXES.get(d.type, ""): d.help for d in ALL}


def test_names_follow_prometheus() -> None:
    for metric in ALL:
        assert metric.name.startswith("daybreak_")
        assert not metric.name.endswith(("_total", "_info", "_count", "_sum", "_bucket"))
        assert ("duration" in metric.name) == (metric.type == "histogram")
        assert metric.type != "histogram" or metric.name.endswith("_seconds")
        assert metric.help.endswith(".")


def test_values(started: FakeSource) -> None:
    everything(started)
    families = {f.name: f for f in plain_families(get(started, "/metrics"))}

    def value(name: str, **labels: str) -> float:
        family = next(f for f in families.values() if any(s.name == name for s in f.samples))
        return float(next(s.value for s in family.samples if s.name == name and labels.items() <= s.labels.items()))

    assert value("daybreak_cluster_workers") == 2
    assert value("daybreak_service_ready", service="head") == 1
    assert value("daybreak_service_ready", service="worker-1") == 0
    assert value("daybreak_service_healthy", service="worker-2", check="http") == 0
    assert value("daybreak_database_up", database="postgres") == 1
    assert [value("daybreak_host_up", host=host) for host in ("far", "b")] == [1, 0]
    assert value("daybreak_host_nodes_ready", host="far") == 1
    assert value("daybreak_host_latency_seconds", host="far") == 0.002
    assert value("daybreak_host_clock_ahead_seconds", host="far") == -0.5
    assert value("daybreak_deployment_replicas_wanted", application="default", deployment="App") == 3
    assert value("daybreak_deployment_replicas_running", application="default", deployment="App") == 1
    assert value("daybreak_application_status", daybreak_application_status="UNHEALTHY") == 1
    assert value("daybreak_application_status", daybreak_application_status="RUNNING") == 0
    assert value("daybreak_service_crashes_total", service="worker-1") == 1
    # What never happened is 0, and not absent.
    assert value("daybreak_service_crashes_total", service="head") == 0
    assert value("daybreak_run_last_first_response_seconds", kind="startup", start="warm") > 0
    assert value("daybreak_service_restart_duration_seconds_sum", service="head", cause="command") == 1.5
    assert value("daybreak_ingress_requests_total") == 3
    assert value("daybreak_ingress_errors_total", kind="connection") == 1
    assert value("daybreak_cluster_state", daybreak_cluster_state="degraded") == 1
    assert value("process_resident_memory_bytes") > 0


# What a Prometheus of Debian 12 asks with, and other programs.
PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "begins", "is_open"),
    [
        (OPEN_METRICS["Accept"], "application/openmetrics-text; version=", True),
        (PROMETHEUS, "application/openmetrics-text; version=", True),
        ("text/plain;version=0.0.4", "text/plain; version=", False),
        (BROWSER, "text/plain; version=", False),
        ("*/*", "text/plain; version=", False),
        ("", "text/plain; version=", False),
    ],
    ids=("openmetrics", "prometheus", "text", "browser", "curl", "nothing"),
)
def test_who_asks_for_openmetrics_gets_it(started: FakeSource, accept: str, begins: str, is_open: bool) -> None:
    app, _ = page(started)
    with TestClient(app, base_url="http://127.0.0.1:8080") as client:
        answer = client.get("/metrics", headers={"Accept": accept})
    assert answer.headers["content-type"].startswith(begins)
    assert answer.text.endswith("# EOF\n") == is_open


def test_a_door_without_haproxy(started: FakeSource) -> None:
    text = get(started, "/metrics")
    assert "daybreak_ingress_up 0.0" in text
    assert "daybreak_ingress_requests_total" not in text


def test_haproxys_statistics() -> None:
    found = parse(STATISTICS)
    assert found is not None
    assert (found.requests, found.bytes_in, found.bytes_out, found.sessions) == (2, 170, 423, 1)
    assert found.responses == {"1xx": 0, "2xx": 1, "3xx": 0, "4xx": 1, "5xx": 0, "other": 0}
    assert found.errors == {"request": 2, "connection": 3, "response": 4}
    assert parse("<html>") is None
    assert parse("") is None


def test_prometheus_finds_the_nodes_that_are_there(started: FakeSource) -> None:
    app, _ = page(started)
    with TestClient(app, base_url="http://127.0.0.1:8080") as client:
        before = client.get("/sd/ray")
        assert before.headers["content-type"] == "application/json"
        assert [group["labels"]["node"] for group in before.json()] == ["head", "worker-1", "worker-2"]
        assert before.json()[0] == {
            "targets": ["127.0.0.2:20000"],
            "labels": {
                "cluster": "demo",
                "node": "head",
                "component": "node",
                "__meta_daybreak_generation": "1",
            },
        }
        started.tell(Kind.STOPPED, "worker-1", after_s=0.1, killed=0)
        assert [group["labels"]["node"] for group in client.get("/sd/ray").json()] == ["head", "worker-2"]


def test_requests_at_the_gateway_are_counted_by_application_and_outcome(started: FakeSource) -> None:
    started.requests_now = [COUNTED]
    text = get(started, "/metrics")
    for line in (
        'daybreak_requests_total{application="default",outcome="answered"} 7.0',
        'daybreak_requests_total{application="default",outcome="failed"} 2.0',
        'daybreak_requests_held_total{application="default"} 4.0',
        'daybreak_request_duration_seconds_bucket{application="default",le="0.01"} 7.0',
        'daybreak_request_duration_seconds_bucket{application="default",le="+Inf"} 8.0',
        'daybreak_request_duration_seconds_count{application="default"} 8.0',
        'daybreak_request_duration_seconds_sum{application="default"} 0.25',
    ):
        assert line in text.splitlines()
