"""Handles of containers: of one that is to be made, and of those that the engine lists. Pure."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from daybreak.backends.base import Handle, State
from daybreak.backends.docker.container_config import unusable_names
from daybreak.docker import labels
from daybreak.errors import DaybreakError, ServiceDied
from daybreak.services.service import Container, Service, log_path

RUNS = ("running", "paused", "restarting")
ListedContainer = Mapping[str, Any]


def new_handle(service: Service, instance: str, generation: int, bound: Mapping[str, str]) -> Handle:
    """That of a container that starts now; the engine knows its processes."""
    return Handle.started(service, instance, generation, bound, at_wall=time.time(), pid=0, started_ticks=0, boot_id="")


def handle_of(row: ListedContainer) -> Handle:
    """The handle in the container's labels; where it cannot be read, one that is good for stopping it, no more."""
    found = row["Labels"]
    try:
        return Handle.from_json(json.loads(found[labels.HANDLE]))
    except (ValueError, KeyError, TypeError):
        return Handle(
            service=found.get(labels.SERVICE, "unknown"),
            tier=found.get(labels.TIER, "app"),
            # Nobody else's container has the cluster's state folder on it.
            instance=found.get(labels.INSTANCE, row["Id"][:12]),
            fingerprint="",
            pid=0,
            started_ticks=0,
            boot_id="",
            started_wall=float(row["Created"]),
            state=State.BROKEN,
        )


def may_have_ended(handle: Handle, row: ListedContainer) -> bool:
    """Whether it matters how it has ended."""
    return (handle.one_shot or handle.may_end) and bool(row["State"] == "exited")


def in_its_state(handle: Handle, row: ListedContainer, *, clean: bool) -> Handle:
    """With what the engine says of it; `clean` tells of one that may have ended that it did so well."""
    if row["State"] in RUNS:
        return handle.in_state(State.RUNNING)
    return handle.ended(clean=clean) if may_have_ended(handle, row) else handle.in_state(State.BROKEN)


def startable(service: Service, logs: Path) -> Container:
    """The service's container. Raises ServiceDied where it has none, or a secret that no shell could set."""
    if service.container is None:
        raise not_started(service, logs, ValueError("it has no image"))
    if wrong := unusable_names(service):
        raise not_started(service, logs, ValueError(f"a secret cannot be called {', '.join(wrong)}"))
    return service.container


def not_started(service: Service, logs: Path, error: Exception) -> ServiceDied:
    """What to say of a container that could not be made or started."""
    why, hint = str(error), None
    if isinstance(error, DaybreakError):
        why, hint = error.message, error.hint
    elif isinstance(error, OSError) and error.filename:
        why = f"{error.filename}: {error.strerror}"
    if "no such image" in why.lower() and service.container:
        why, hint = f"there is no image {service.container.image}", f"docker pull {service.container.image}"
    return ServiceDied(
        f"{service.name} could not be started: {why}",
        service=service.name,
        log=str(log_path(logs, service.name)),
        hint=hint,
    )
