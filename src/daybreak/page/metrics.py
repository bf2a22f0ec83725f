"""`/metrics`: what runs now and what the timeline says, in OpenMetrics or Prometheus' text format."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    StateSetMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from daybreak import __version__
from daybreak.page.tally import Histograms, History, Tally
from daybreak.page.traffic import Traffic
from daybreak.timeline.board import FINE

STATES = ("stopped", "starting", "ready", "degraded", "stopping")
# Degraded applications answer: fewer replicas than they are to have do.
ANSWERS = ("healthy", "degraded")
APPLICATION_STATES = ("NOT_STARTED", "DEPLOYING", "DEPLOY_FAILED", "RUNNING", "UNHEALTHY", "DELETING")
DATABASES = ("postgres", "redis", "mysql", "neo4j")
FAMILIES: Mapping[str, Callable[..., Any]] = {
    "info": InfoMetricFamily,
    "gauge": GaugeMetricFamily,
    "counter": CounterMetricFamily,
    "histogram": HistogramMetricFamily,
    "stateset": StateSetMetricFamily,
}


@dataclass(frozen=True)
class Description:
    """One metric of ours. `name` is without the suffixes that its type adds to samples (`_total`, `_bucket` ...)."""

    name: str
    type: str
    labels: tuple[str, ...]
    help: str

    def family(self) -> Any:
        """An empty family to add samples to."""
        return FAMILIES[self.type](self.name, self.help, labels=self.labels)


@dataclass(frozen=True)
class Readings:
    """What one scrape tells: the keeper's snapshot, kinds of checks by service, HAProxy's numbers where it has any.

    `places` are folders whose file systems must not become full, by name.
    """

    snapshot: Mapping[str, Any]
    checks: Mapping[str, str]
    traffic: Traffic | None
    places: Mapping[str, Path]


BUILD = Description("daybreak_build", "info", (), "Versions of daybreak and Ray.")
STATE = Description("daybreak_cluster_state", "stateset", ("cluster",), "The cluster's state.")
GENERATION = Description("daybreak_cluster_generation", "gauge", ("cluster",), "How often the app tier was started.")
WORKERS = Description("daybreak_cluster_workers", "gauge", ("cluster",), "Worker nodes that are wanted.")
READY = Description(
    "daybreak_service_ready", "gauge", ("service", "tier"), "1 where the service is ready, or has completed."
)
HEALTHY = Description(
    "daybreak_service_healthy",
    "gauge",
    ("service", "check"),
    "1 where the service passes its checks, and answers.",
)
STARTED = Description(
    "daybreak_service_start_time_seconds", "gauge", ("service",), "When the service was started, since 1970."
)
APPLICATION = Description(
    "daybreak_application_status", "stateset", ("application",), "The application's status as Serve tells it."
)
WANTED = Description(
    "daybreak_deployment_replicas_wanted",
    "gauge",
    ("application", "deployment"),
    "How many replicas the deployment is to have now.",
)
RUNNING = Description(
    "daybreak_deployment_replicas_running",
    "gauge",
    ("application", "deployment"),
    "How many replicas of the deployment take requests.",
)
DATABASE_UP = Description("daybreak_database_up", "gauge", ("database",), "1 where the database is ready and healthy.")
STARTS = Description(
    "daybreak_service_start_duration_seconds", "histogram", ("service",), "From a service's start until it was ready."
)
WAITS = Description(
    "daybreak_service_wait_duration_seconds", "histogram", ("service",), "How long a service waited for its needs."
)
STOPS = Description(
    "daybreak_service_stop_duration_seconds", "histogram", ("service",), "From asking a service to stop to its end."
)
RESTARTS = Description(
    "daybreak_service_restart_duration_seconds",
    "histogram",
    ("service", "cause"),
    "From a service's end until it was ready again, after a command or after a crash.",
)
CRASHES = Description("daybreak_service_crashes", "counter", ("service",), "Times a service ended by itself.")
RECOVERIES = Description(
    "daybreak_service_restarts", "counter", ("service",), "Times the keeper set out to bring a service back."
)
FAILED_STARTS = Description("daybreak_service_start_failures", "counter", ("service",), "Starts that failed.")
FAILED_CHECKS = Description(
    "daybreak_service_health_check_failures", "counter", ("service",), "Failed health checks of a running service."
)
RUNS = Description("daybreak_runs", "counter", ("kind", "start", "outcome"), "Runs that ended, warm and cold ones.")
RUN_DURATIONS = Description(
    "daybreak_run_duration_seconds", "histogram", ("kind", "start"), "Runs that ended well, from begin to end."
)
FIRST_RESPONSES = Description(
    "daybreak_run_first_response_duration_seconds",
    "histogram",
    ("kind", "start"),
    "From the beginning of a run until the applications answered.",
)
LAST_RESPONSE = Description(
    "daybreak_run_last_first_response_seconds", "gauge", ("kind", "start"), "The newest first response of a run."
)
LAST_RESPONSE_TIME = Description(
    "daybreak_run_last_first_response_timestamp_seconds", "gauge", ("kind", "start"), "When that was, since 1970."
)
FREE = Description("daybreak_filesystem_free_bytes", "gauge", ("place",), "What is left of a place's file system.")
SIZE = Description("daybreak_filesystem_size_bytes", "gauge", ("place",), "The size of a place's file system.")
INGRESS_UP = Description("daybreak_ingress_up", "gauge", (), "1 where Serve's HAProxy tells its numbers.")
INGRESS_REQUESTS = Description("daybreak_ingress_requests", "counter", (), "HTTP requests at Serve's HAProxy.")
INGRESS_RESPONSES = Description(
    "daybreak_ingress_responses", "counter", ("code",), "Responses of Serve's HAProxy by class of status code."
)
INGRESS_ERRORS = Description(
    "daybreak_ingress_errors", "counter", ("kind",), "Errors at Serve's HAProxy: of requests, connections, responses."
)
INGRESS_RECEIVED = Description("daybreak_ingress_received_bytes", "counter", (), "Bytes received from clients.")
INGRESS_SENT = Description("daybreak_ingress_sent_bytes", "counter", (), "Bytes sent to clients.")
INGRESS_SESSIONS = Description("daybreak_ingress_sessions", "gauge", (), "Client sessions at Serve's HAProxy now.")

ALL = tuple(value for value in list(globals().values()) if isinstance(value, Description))


class Scrapes:
    """Answers scrapes; safe to call from any thread, one at a time."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._readings: Readings | None = None
        self._lock = threading.Lock()
        self._registry = CollectorRegistry()
        self._registry.register(_Collector(self._families))
        ProcessCollector(registry=self._registry)

    def render(self, accept: str, readings: Readings) -> tuple[bytes, str]:
        """The body and its content type, in the format that the `Accept` header asks for."""
        encode, content_type = choose_encoder(accept)
        with self._lock:
            self._readings = readings
            return encode(self._registry), content_type

    def _families(self) -> Iterator[Metric]:
        if self._readings is None:
            return
        yield from _now(self._readings)
        yield from _applications(self._readings.snapshot)
        yield from _filesystems(self._readings.places)
        yield from _ingress(self._readings)
        known = [row["name"] for row in self._readings.snapshot["services"]]
        yield from _so_far(self._history.read(), known)


class _Collector(Collector):
    def __init__(self, families: Callable[[], Iterable[Metric]]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families()

    def describe(self) -> Iterable[Metric]:
        return [description.family() for description in ALL]


def _now(readings: Readings) -> Iterator[Metric]:
    snapshot, cluster = readings.snapshot, [str(readings.snapshot["name"])]
    build = BUILD.family()
    build.add_metric([], {"version": __version__, "ray": str(snapshot["ray"] or "")})
    state = STATE.family()
    state.add_metric(cluster, {name: snapshot["state"] == name for name in STATES})
    generation, workers = GENERATION.family(), WORKERS.family()
    generation.add_metric(cluster, snapshot["generation"])
    workers.add_metric(cluster, snapshot["workers"])
    yield from (build, state, generation, workers)
    ready, healthy, started, databases = (d.family() for d in (READY, HEALTHY, STARTED, DATABASE_UP))
    for row in snapshot["services"]:
        name = row["name"]
        # What has completed is as it should be.
        is_ready = row["state"] in FINE
        is_healthy = row["health"] in ANSWERS or row["state"] == "completed"
        ready.add_metric([name, row["tier"]], float(is_ready))
        if name in readings.checks:
            healthy.add_metric([name, readings.checks[name]], float(is_healthy))
        if row["started"] and row["instance"]:
            started.add_metric([name], row["started"])
        if name in DATABASES:
            databases.add_metric([name], float(is_ready and is_healthy))
    yield from (ready, healthy, started, databases)


def _applications(snapshot: Mapping[str, Any]) -> Iterator[Metric]:
    """Nothing while Serve does not tell: a number that nobody knows is no 0."""
    status, wanted, running = (d.family() for d in (APPLICATION, WANTED, RUNNING))
    for app in (snapshot.get("serving") or {}).get("applications", ()):
        status.add_metric([app["name"]], {name: app["status"] == name for name in APPLICATION_STATES})
        for one in app["deployments"]:
            wanted.add_metric([app["name"], one["name"]], one["wanted"])
            running.add_metric([app["name"], one["name"]], one["running"])
    yield from (status, wanted, running)


def _filesystems(places: Mapping[str, Path]) -> Iterator[Metric]:
    free, size = FREE.family(), SIZE.family()
    for place, folder in places.items():
        try:
            found = os.statvfs(folder)
        except OSError:
            continue
        # What only root may use is not left for us.
        free.add_metric([place], found.f_bavail * found.f_frsize)
        size.add_metric([place], found.f_blocks * found.f_frsize)
    yield from (free, size)


def _ingress(readings: Readings) -> Iterator[Metric]:
    traffic = readings.traffic
    up = INGRESS_UP.family()
    up.add_metric([], float(traffic is not None))
    yield up
    if traffic is None:
        return
    for description, value in (
        (INGRESS_REQUESTS, traffic.requests),
        (INGRESS_RECEIVED, traffic.bytes_in),
        (INGRESS_SENT, traffic.bytes_out),
        (INGRESS_SESSIONS, traffic.sessions),
    ):
        family = description.family()
        family.add_metric([], value)
        yield family
    yield _counters(INGRESS_RESPONSES, traffic.responses)
    yield _counters(INGRESS_ERRORS, traffic.errors)


def _so_far(tally: Tally, known: Sequence[str]) -> Iterator[Metric]:
    """The history. Services begin at 0: a counter that begins with its first event hides that one from `increase`."""
    for description, counts in (
        (CRASHES, tally.crashes),
        (RECOVERIES, tally.recoveries),
        (FAILED_STARTS, tally.failed_starts),
        (FAILED_CHECKS, tally.failed_checks),
    ):
        yield _counters(description, {**dict.fromkeys(known, 0), **counts})
    yield from _last(tally)
    runs = RUNS.family()
    for labels, count in sorted(tally.runs.items()):
        runs.add_metric(labels, count)
    yield runs
    for description, histograms in (
        (STARTS, tally.starts),
        (WAITS, tally.waits),
        (STOPS, tally.stops),
        (RESTARTS, tally.restarts),
        (RUN_DURATIONS, tally.run_durations),
        (FIRST_RESPONSES, tally.first_responses),
    ):
        yield _histograms(description, histograms)


def _last(tally: Tally) -> Iterator[Metric]:
    took, when = LAST_RESPONSE.family(), LAST_RESPONSE_TIME.family()
    for labels, last in sorted(tally.last_responses.items()):
        took.add_metric(labels, last.took_s)
        when.add_metric(labels, last.wall)
    yield from (took, when)


def _counters(description: Description, counts: Mapping[str, int]) -> Metric:
    family = description.family()
    for label, count in sorted(counts.items()):
        family.add_metric([label], count)
    made: Metric = family
    return made


def _histograms(description: Description, histograms: Histograms) -> Metric:
    family = description.family()
    for labels, histogram in sorted(histograms.items()):
        if any(histogram.counts):
            family.add_metric(list(labels), buckets=histogram.buckets(), sum_value=histogram.sum_s)
    made: Metric = family
    return made
