"""What the dashboards show. Ray's counters have no `_total` at their end in old versions; both are read."""

from __future__ import annotations

from dashboards.panels import RATE, Board, Chart, Query, Row


def _rate(name: str) -> str:
    """How fast a counter of Ray's grows, whatever it is called in this version; some have it under both names."""
    return f"(rate({name}_total[{RATE}]) or rate({name}[{RATE}]))"


def _quantile(share: float, buckets: str, by: str, window: str = RATE) -> str:
    return f"histogram_quantile({share}, sum by (le, {by}) (rate({buckets}[{window}])))"


def _half_and_most(buckets: str, by: str) -> tuple[Query, Query]:
    """How long half of them took at most, and 99 of 100."""
    return (
        Query(_quantile(0.5, buckets, by), f"{{{{{by}}}}} 50%"),
        Query(_quantile(0.99, buckets, by), f"{{{{{by}}}}} 99%"),
    )


def _number(title: str, meaning: str, unit: str, expression: str) -> Chart:
    """One number, as large as its place."""
    return Chart(title, meaning, unit, (Query(expression),), width=4, number=True)


_REQUESTS = _rate("ray_serve_deployment_request_counter")
_ERRORS = _rate("ray_serve_deployment_error_counter")
_LATENCY = "ray_serve_deployment_processing_latency_ms_bucket"
_WAITED = "daybreak_request_duration_seconds_bucket"
_FIRST = "daybreak_run_first_response_duration_seconds"

CLUSTER = Board(
    "daybreak-cluster",
    "Cluster",
    (
        Row(
            "Now",
            (
                _number(
                    "Services ready",
                    "Those that are ready, of all that are wanted.",
                    "percentunit",
                    "avg(daybreak_service_ready)",
                ),
                _number("Worker nodes", "How many are wanted.", "none", "daybreak_cluster_workers"),
                _number("Generation", "How often the app tier was started.", "none", "daybreak_cluster_generation"),
                _number("Alerts", "Alerts that fire now.", "none", 'count(ALERTS{alertstate="firing"}) or vector(0)'),
                _number("Requests", "Requests per second to all deployments.", "reqps", f"sum({_REQUESTS})"),
                _number(
                    "CPUs in use",
                    "CPUs of Ray that tasks and actors have taken.",
                    "none",
                    'sum(ray_resources{Name="CPU",State="USED"})',
                ),
            ),
        ),
        Row(
            "Health",
            (
                Chart(
                    "Services that are not ready",
                    "1 for each one; nothing where all is well.",
                    "none",
                    (Query("1 - daybreak_service_ready", "{{service}}"),),
                ),
                Chart(
                    "Services that fail their health check",
                    "1 for each one.",
                    "none",
                    (Query("1 - daybreak_service_healthy", "{{service}}"),),
                ),
            ),
        ),
        Row(
            "Work",
            (
                Chart(
                    "Tasks by state",
                    "Tasks that wait or run.",
                    "none",
                    (
                        Query(
                            'sum by (State) (max_over_time(ray_tasks{State!~"FINISHED|FAILED"}[1m]))',
                            "{{State}}",
                        ),
                    ),
                ),
                Chart(
                    "Actors by state",
                    "Actors of all jobs.",
                    "none",
                    (Query("sum by (State) (ray_actors)", "{{State}}"),),
                ),
                Chart(
                    "Ray's resources in use",
                    "CPUs and GPUs that are taken, of those that nodes offer.",
                    "percentunit",
                    (
                        Query(
                            'sum by (Name) (ray_resources{Name=~"CPU|GPU",State="USED"})'
                            ' / sum by (Name) (ray_resources{Name=~"CPU|GPU"} > 0)',
                            "{{Name}}",
                        ),
                    ),
                    highest=1,
                ),
                Chart(
                    "Objects",
                    "Memory of Ray's objects by where they are.",
                    "bytes",
                    (Query("sum by (Location) (ray_object_store_memory)", "{{Location}}"),),
                ),
            ),
        ),
    ),
)

SERVE = Board(
    "daybreak-serve",
    "Serve",
    (
        Row(
            "At the gateway",
            (
                Chart(
                    "Requests at the gateway",
                    "Requests per second by application, however they ended.",
                    "reqps",
                    (Query(f"sum by (application) (rate(daybreak_requests_total[{RATE}]))", "{{application}}"),),
                ),
                Chart(
                    "Requests that failed",
                    "Per second: those that no application answered, and answers with a status of 500 and above.",
                    "reqps",
                    (
                        Query(
                            "sum by (application, outcome) "
                            f'(rate(daybreak_requests_total{{outcome=~"failed|errors"}}[{RATE}]))',
                            "{{application}} {{outcome}}",
                        ),
                    ),
                ),
                Chart(
                    "Latency at the gateway",
                    "How long clients waited, half of all requests and 99 of 100; of streams until they began.",
                    "s",
                    _half_and_most(_WAITED, "application"),
                ),
                Chart(
                    "Requests that waited",
                    "Per second: held in the gateway while no application could answer.",
                    "reqps",
                    (Query(f"sum by (application) (rate(daybreak_requests_held_total[{RATE}]))", "{{application}}"),),
                ),
            ),
        ),
        Row(
            "At Serve's door",
            (
                Chart(
                    "Requests by status",
                    "Responses of Serve's HAProxy per second.",
                    "reqps",
                    (Query(f"sum by (code) (rate(daybreak_ingress_responses_total[{RATE}]))", "{{code}}"),),
                ),
                Chart(
                    "Errors at the door",
                    "Errors of Serve's HAProxy per second: of requests, connections to replicas, and responses.",
                    "reqps",
                    (Query(f"sum by (kind) (rate(daybreak_ingress_errors_total[{RATE}]))", "{{kind}}"),),
                ),
            ),
        ),
        Row(
            "By deployment and route",
            (
                Chart(
                    "Requests by deployment",
                    "Requests per second that replicas have answered.",
                    "reqps",
                    (Query(f"sum by (application, deployment) ({_REQUESTS})", "{{deployment}}"),),
                ),
                Chart(
                    "Requests by route",
                    "Requests per second by route.",
                    "reqps",
                    (Query(f"sum by (route) ({_REQUESTS})", "{{route}}"),),
                ),
                Chart(
                    "Errors by deployment",
                    "Exceptions in replicas per second.",
                    "reqps",
                    (Query(f"sum by (application, deployment) ({_ERRORS})", "{{deployment}}"),),
                ),
                Chart(
                    "Latency by route",
                    "How long replicas took, half of all requests and 99 of 100.",
                    "ms",
                    _half_and_most(_LATENCY, "route"),
                ),
                Chart(
                    "Latency by deployment",
                    "How long replicas took, half of all requests and 99 of 100.",
                    "ms",
                    _half_and_most(_LATENCY, "deployment"),
                ),
                Chart(
                    "Queue",
                    "Requests that replicas have taken and not yet answered.",
                    "none",
                    (
                        Query(
                            'sum by (deployment) ({__name__=~"ray_serve_replica_processing_queries'
                            '|ray_serve_num_ongoing_requests_at_replicas"})',
                            "{{deployment}}",
                        ),
                    ),
                ),
                Chart(
                    "Replicas",
                    "Replicas that are healthy.",
                    "none",
                    (Query("sum by (deployment) (ray_serve_deployment_replica_healthy)", "{{deployment}}"),),
                ),
            ),
        ),
    ),
)

NODES = Board(
    "daybreak-nodes",
    "Nodes",
    (
        Row(
            "Processor and memory",
            (
                Chart(
                    "CPU by component",
                    "Processor time of Ray's processes by what they are; 100% is one processor.",
                    "percent",
                    (Query("sum by (Component) (ray_component_cpu_percentage)", "{{Component}}"),),
                ),
                Chart(
                    "Memory by component",
                    "Memory of Ray's processes by what they are, shared pages not counted.",
                    "bytes",
                    (Query("sum by (Component) (ray_component_uss_mb) * 1e6", "{{Component}}"),),
                ),
                Chart(
                    "CPU by node",
                    "Use of the machine that the node is on.",
                    "percent",
                    (Query("ray_node_cpu_utilization", "{{node}}"),),
                    highest=100,
                ),
                Chart(
                    "Memory by node",
                    "In use on the machine that the node is on.",
                    "bytes",
                    (Query("ray_node_mem_used", "{{node}}"),),
                ),
            ),
        ),
        Row(
            "Disk and network",
            (
                Chart(
                    "Free disk",
                    "What is left for the cluster's folder, for temporary files and for objects.",
                    "bytes",
                    (Query("daybreak_filesystem_free_bytes", "{{place}}"),),
                ),
                Chart(
                    "Disk use by node",
                    "Share of the disk that is used.",
                    "percent",
                    (Query("ray_node_disk_utilization_percentage", "{{node}}"),),
                    highest=100,
                ),
                Chart(
                    "Network",
                    "Bytes per second, received and sent.",
                    "Bps",
                    (
                        Query("ray_node_network_receive_speed", "{{node}} received"),
                        Query("ray_node_network_send_speed", "{{node}} sent"),
                    ),
                ),
                Chart(
                    "Worker processes",
                    "Processes of tasks and actors on each node.",
                    "none",
                    (Query('sum by (node) (ray_component_num_fds{Component=~"ray::.*"} > bool 0)', "{{node}}"),),
                ),
            ),
        ),
    ),
)

STARTS = Board(
    "daybreak-starts",
    "Starts and restarts",
    (
        Row(
            "Starts",
            (
                Chart(
                    "Until the first response",
                    "Mean of all runs so far, by kind; warm where a template had its imports done.",
                    "s",
                    (Query(f"{_FIRST}_sum / {_FIRST}_count", "{{kind}}, {{start}}"),),
                ),
                Chart(
                    "Until all is ready",
                    "Mean of all runs so far that ended well.",
                    "s",
                    (
                        Query(
                            "daybreak_run_duration_seconds_sum / daybreak_run_duration_seconds_count",
                            "{{kind}}, {{start}}",
                        ),
                    ),
                ),
                Chart(
                    "Start of each service",
                    "From its start until it was ready, the median of all so far.",
                    "s",
                    (
                        Query(
                            "histogram_quantile(0.5, sum by (le, service)"
                            " (daybreak_service_start_duration_seconds_bucket))",
                            "{{service}}",
                        ),
                    ),
                ),
                Chart(
                    "Waiting",
                    "How long each service waited for what it needs, the median of all so far.",
                    "s",
                    (
                        Query(
                            "histogram_quantile(0.5, sum by (le, service)"
                            " (daybreak_service_wait_duration_seconds_bucket))",
                            "{{service}}",
                        ),
                    ),
                ),
            ),
        ),
        Row(
            "History",
            (
                Chart(
                    "Runs",
                    "Starts, restarts, changes and recoveries, by how they ended.",
                    "none",
                    (Query("sum by (kind, outcome) (daybreak_runs_total)", "{{kind}} {{outcome}}"),),
                ),
                Chart(
                    "Crashes",
                    "Services that ended by themselves, in the last ten minutes.",
                    "none",
                    (Query("increase(daybreak_service_crashes_total[10m])", "{{service}}"),),
                ),
                Chart(
                    "Back after",
                    "From a service's end until it was ready again, the median of all so far.",
                    "s",
                    (
                        Query(
                            "histogram_quantile(0.5, sum by (le, service, cause)"
                            " (daybreak_service_restart_duration_seconds_bucket))",
                            "{{service}} ({{cause}})",
                        ),
                    ),
                ),
                Chart(
                    "Time since the start",
                    "How long each service has been running.",
                    "s",
                    (Query("time() - daybreak_service_start_time_seconds", "{{service}}"),),
                ),
            ),
        ),
    ),
)

ALL = (CLUSTER, SERVE, NODES, STARTS)
