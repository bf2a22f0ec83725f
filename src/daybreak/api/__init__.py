"""What daybreak does, as functions: the command line is a thin layer over these.

Every function that changes something talks to the cluster's keeper and returns its status afterwards. Errors are
`DaybreakError`s; see `daybreak.errors`. Names are loaded when they are first used: no command needs them all.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from daybreak.api.alerting import alerts
    from daybreak.api.asking import Cluster, Version, environment, page, plan, status, versions
    from daybreak.api.changing import (
        cluster,
        down,
        prewarm,
        require_something,
        restart,
        restart_application,
        rollback,
        scale,
        up,
        up_again,
    )
    from daybreak.api.hosting import hosts, invite, join, leave, remove_host
    from daybreak.api.jobs_api import files_with_secrets, jobs
    from daybreak.api.loading import (
        belongs_elsewhere,
        goes_on_without_a_file,
        load,
        resolve_name,
        started_by_dev,
        stored_values,
    )
    from daybreak.api.pausing import pause, resume
    from daybreak.api.reading import ReadSpec, read
    from daybreak.api.requests import OnMessage
    from daybreak.api.single import restart_service, start_service, stop_service

_MODULES = {
    "alerting": ("alerts",),
    "asking": ("Cluster", "Version", "environment", "page", "plan", "status", "versions"),
    "changing": (
        "cluster",
        "down",
        "prewarm",
        "require_something",
        "restart",
        "restart_application",
        "rollback",
        "scale",
        "up",
        "up_again",
    ),
    "hosting": ("hosts", "invite", "join", "leave", "remove_host"),
    "jobs_api": ("files_with_secrets", "jobs"),
    "loading": (
        "belongs_elsewhere",
        "goes_on_without_a_file",
        "load",
        "resolve_name",
        "started_by_dev",
        "stored_values",
    ),
    "pausing": ("pause", "resume"),
    "reading": ("ReadSpec", "read"),
    "requests": ("OnMessage",),
    "single": ("restart_service", "start_service", "stop_service"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "Cluster",
    "OnMessage",
    "ReadSpec",
    "Version",
    "alerts",
    "belongs_elsewhere",
    "cluster",
    "down",
    "environment",
    "files_with_secrets",
    "goes_on_without_a_file",
    "hosts",
    "invite",
    "jobs",
    "join",
    "leave",
    "load",
    "page",
    "pause",
    "plan",
    "prewarm",
    "read",
    "remove_host",
    "require_something",
    "resolve_name",
    "restart",
    "restart_application",
    "restart_service",
    "resume",
    "rollback",
    "scale",
    "start_service",
    "started_by_dev",
    "status",
    "stop_service",
    "stored_values",
    "up",
    "up_again",
    "versions",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
