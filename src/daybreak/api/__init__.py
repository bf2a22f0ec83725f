"""What daybreak does, as functions: the command line is a thin layer over these.

Every function that changes something talks to the cluster's keeper and returns its status afterwards. Errors are
`DaybreakError`s; see `daybreak.errors`.
"""

from daybreak.api.asking import Cluster, Version, environment, page, plan, status, versions
from daybreak.api.changing import (
    cluster,
    down,
    prewarm,
    require_something,
    restart,
    restart_application,
    restart_service,
    rollback,
    scale,
    up,
    up_again,
)
from daybreak.api.loading import belongs_elsewhere, goes_on_without_a_file, load, resolve_name
from daybreak.api.pausing import pause, resume
from daybreak.api.requests import OnMessage

__all__ = [
    "Cluster",
    "OnMessage",
    "Version",
    "belongs_elsewhere",
    "cluster",
    "down",
    "environment",
    "goes_on_without_a_file",
    "load",
    "page",
    "pause",
    "plan",
    "prewarm",
    "require_something",
    "resolve_name",
    "restart",
    "restart_application",
    "restart_service",
    "resume",
    "rollback",
    "scale",
    "status",
    "up",
    "up_again",
    "versions",
]
