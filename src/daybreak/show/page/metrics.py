"""`/metrics`: what runs now and what the timeline says, in OpenMetrics or Prometheus' text format."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from daybreak import __version__
from daybreak.names import DATABASES
from daybreak.show.hosts import ready_nodes
from daybreak.show.page.application_requests import OUTCOMES, ApplicationRequests
from daybreak.show.page.haproxy_stats import Traffic
from daybreak.show.page.metric_table import (
    ALERT,
    ALL,
    APPLICATION,
    BUILD,
    CRASHES,
    DATABASE_UP,
    DURATIONS,
    FAILED_CHECKS,
    FAILED_STARTS,
    FIRST_RESPONSES,
    FREE,
    GENERATION,
    HEALTHY,
    HELD,
    HOST_CLOCK,
    HOST_LATENCY,
    HOST_READY,
    HOST_UP,
    INGRESS_ERRORS,
    INGRESS_RECEIVED,
    INGRESS_REQUESTS,
    INGRESS_RESPONSES,
    INGRESS_SENT,
    INGRESS_SESSIONS,
    INGRESS_UP,
    LAST_RESPONSE,
    LAST_RESPONSE_TIME,
    READY,
    RECOVERIES,
    REQUESTS,
    RESTARTS,
    RUN_DURATIONS,
    RUNNING,
    RUNS,
    SIZE,
    STARTED,
    STARTS,
    STATE,
    STOPS,
    UNTOLD,
    WAITS,
    WANTED,
    WORKERS,
    Description,
)
from daybreak.show.page.tally import Histograms, History, Tally
from daybreak.states import BY_YOU, FINE, HOSTS_HEARD_OF, ClusterState, Health, ServiceState
from daybreak.timeline.status import Snapshot

# Degraded applications answer: fewer replicas than they are to have do.
ANSWERS = (Health.HEALTHY, Health.DEGRADED)
APPLICATION_STATES = ("NOT_STARTED", "DEPLOYING", "DEPLOY_FAILED", "RUNNING", "UNHEALTHY", "DELETING")


@dataclass(frozen=True)
class Readings:
    """What one scrape tells: the keeper's snapshot, kinds of checks by service, HAProxy's numbers where it has any,
    and what the gateway has counted.

    `places` are folders whose file systems must not become full, by name.
    """

    snapshot: Snapshot
    checks: Mapping[str, str]
    traffic: Traffic | None
    requests: Sequence[ApplicationRequests]
    places: Mapping[str, Path]


class Scrapes:
    """Answers scrapes; safe to call from any thread, one at a time."""

    def __init__(self, timeline: Path) -> None:
        self._history = History(timeline)
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
        yield from _alerts(self._readings.snapshot)
        yield from _hosts(self._readings.snapshot)
        yield from _filesystems(self._readings.places)
        yield from _requests(self._readings.requests)
        yield from _ingress(self._readings)
        known = [row.name for row in self._readings.snapshot.services]
        yield from _so_far(self._history.read(), known)


class _Collector(Collector):
    def __init__(self, families: Callable[[], Iterable[Metric]]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families()

    def describe(self) -> Iterable[Metric]:
        return [description.family() for description in ALL]


def _now(readings: Readings) -> Iterator[Metric]:
    snapshot, cluster = readings.snapshot, [readings.snapshot.name]
    build = BUILD.family()
    build.add_metric([], {"version": __version__, "ray": snapshot.ray or ""})
    state = STATE.family()
    state.add_metric(cluster, {name: snapshot.state is name for name in ClusterState})
    generation, workers = GENERATION.family(), WORKERS.family()
    generation.add_metric(cluster, snapshot.generation)
    workers.add_metric(cluster, snapshot.workers)
    yield from (build, state, generation, workers)
    ready, healthy, started, databases = (d.family() for d in (READY, HEALTHY, STARTED, DATABASE_UP))
    # What somebody has stopped is no service that should be ready.
    for row in (row for row in snapshot.services if row.reason != BY_YOU):
        name = row.name
        # What has completed is as it should be.
        is_ready = row.state in FINE
        is_healthy = row.health in ANSWERS or row.state in (ServiceState.COMPLETED, ServiceState.SCHEDULED)
        ready.add_metric([name, row.tier], float(is_ready))
        if name in readings.checks:
            healthy.add_metric([name, readings.checks[name]], float(is_healthy))
        if row.started and row.instance:
            started.add_metric([name], row.started)
        if name in DATABASES:
            databases.add_metric([name], float(is_ready and is_healthy))
    yield from (ready, healthy, started, databases)


def _applications(snapshot: Snapshot) -> Iterator[Metric]:
    """Nothing while Serve does not tell: a number that nobody knows is no 0."""
    status, wanted, running = (d.family() for d in (APPLICATION, WANTED, RUNNING))
    for app in snapshot.serving.get("applications", ()):
        status.add_metric([app["name"]], {name: app["status"] == name for name in APPLICATION_STATES})
        for one in app["deployments"]:
            wanted.add_metric([app["name"], one["name"]], one["wanted"])
            running.add_metric([app["name"], one["name"]], one["running"])
    yield from (status, wanted, running)


def _alerts(snapshot: Snapshot) -> Iterator[Metric]:
    firing, waiting = ALERT.family(), UNTOLD.family()
    for one in snapshot.alerts.get("firing", ()):
        subject = next((one[key] for key in ("service", "folder", "other_machine") if one.get(key)), "")
        firing.add_metric([one["what"], subject], 1)
    for one in snapshot.alerts.get("destinations", ()):
        waiting.add_metric([one["to"]], one["waiting"])
    yield from (firing, waiting)


def _hosts(snapshot: Snapshot) -> Iterator[Metric]:
    """The other machines; what was not measured yet is no 0."""
    up, ready, latency, clock = (d.family() for d in (HOST_UP, HOST_READY, HOST_LATENCY, HOST_CLOCK))
    for host in snapshot.hosts:
        name = [host["name"]]
        up.add_metric(name, float(host["state"] in HOSTS_HEARD_OF))
        ready.add_metric(name, ready_nodes(host))
        for family, value in ((latency, host.get("latency_s")), (clock, host.get("clock_ahead_s"))):
            if value is not None:
                family.add_metric(name, value)
    yield from (up, ready, latency, clock)


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


def _requests(found: Sequence[ApplicationRequests]) -> Iterator[Metric]:
    requests, held, durations = REQUESTS.family(), HELD.family(), DURATIONS.family()
    for one in found:
        for outcome in OUTCOMES:
            requests.add_metric([one.name, outcome], one.outcomes[outcome])
        held.add_metric([one.name], one.held)
        bounds = [(str(bound), float(count)) for bound, count in one.buckets[:-1]]
        everything = [("+Inf", float(one.buckets[-1][1]))]
        durations.add_metric([one.name], buckets=bounds + everything, sum_value=one.sum_s)
    yield from (requests, held, durations)


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
