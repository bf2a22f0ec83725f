"""The metrics of the page: names, types, labels and what they mean. A table; docs/metrics.md is its other half."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    StateSetMetricFamily,
)

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
ALERT = Description(
    "daybreak_alert_firing", "gauge", ("what", "subject"), "1 for each alert of the keeper's own that fires."
)
UNTOLD = Description(
    "daybreak_alert_messages_waiting",
    "gauge",
    ("destination",),
    "Messages of alerts that have not arrived at a destination.",
)
HOST_UP = Description("daybreak_host_up", "gauge", ("host",), "1 where the other machine's keeper is heard of.")
HOST_READY = Description(
    "daybreak_host_nodes_ready", "gauge", ("host",), "Ray nodes on the other machine that are ready."
)
HOST_LATENCY = Description(
    "daybreak_host_latency_seconds",
    "gauge",
    ("host",),
    "How long a message to the other machine takes, there and back.",
)
HOST_CLOCK = Description(
    "daybreak_host_clock_ahead_seconds", "gauge", ("host",), "How far the other machine's clock is ahead of this one's."
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

REQUESTS = Description(
    "daybreak_requests", "counter", ("application", "outcome"), "Requests that have ended at the gateway."
)
HELD = Description(
    "daybreak_requests_held", "counter", ("application",), "Requests that waited in the gateway for an application."
)
DURATIONS = Description(
    "daybreak_request_duration_seconds",
    "histogram",
    ("application",),
    "Requests that were answered, from their arrival at the gateway to the end; of streams until they began.",
)

ALL = tuple(value for value in list(globals().values()) if isinstance(value, Description))
