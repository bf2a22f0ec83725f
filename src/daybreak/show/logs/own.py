"""Of what stands in Serve's logs: what an application says itself."""

from __future__ import annotations

from daybreak.names import SERVE
from daybreak.show.logs.entry import Entry
from daybreak.show.logs.selection import misleads
from daybreak.show.logs.stamps import Level

# What Serve itself runs, by its log files' names.
MACHINERY = ("controller", "proxy", "ServeController", "HAProxyManager", "ProxyActor", "autoscaling")
# What Serve writes into a replica's log by itself: a line for each request, its own start and end.
OF_REPLICAS = (
    *(f" -- {method} " for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "CALL")),
    # Ray 2.20 has its own file there, and one hyphen.
    " - __CALL__ ",
    "- Started executing request to method ",
    "HTTP server on port",
    "gRPC server on port",
    " -- Allocated port ",
    "initializing replica.",
    "- Draining: ",
    "- Drained ongoing requests",
    "- Graceful shutdown complete",
    "- Waiting for an additional ",
    # Of deployments that ask others, for each of them.
    "- Started <ray.serve.",
    "- Initialized DeploymentHandle ",
    "- Created DeploymentHandle ",
    "- Got updated replicas for ",
    "- No replicas are currently available for ",
    "- New replicas are available for ",
)


def is_own(entry: Entry) -> bool:
    """Did the application say it, or does Serve tell of trouble? What Serve does all day is of no interest here."""
    if misleads(entry):
        return False
    if (entry.level or Level.INFO) >= Level.WARNING:
        return True
    return not _is_of_serve(entry.source.label) and not any(mark in entry.lines[0] for mark in OF_REPLICAS)


def _is_of_serve(label: str) -> bool:
    return label == SERVE or label.removeprefix(f"{SERVE}/").startswith(MACHINERY)
