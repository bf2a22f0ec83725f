"""Single services: started anew, stopped, started."""

from __future__ import annotations

from collections.abc import Sequence

from daybreak.api.asking import Cluster
from daybreak.api.changing import changed, require_something
from daybreak.api.loading import resolve_name
from daybreak.api.requests import OnMessage, here
from daybreak.paths import ClusterPaths

Names = str | Sequence[str]


def restart_service(
    service: Names, *, name: str | None = None, keep: bool = False, on_message: OnMessage | None = None
) -> Cluster:
    """Start services anew as they are wanted now, with what is bound to them; all else stays. Databases only by name.

    Raises UsageError for a service that the cluster does not have, and for `serve`, whose applications `restart`
    redeploys; NotRunning where nothing of the cluster runs.
    """
    return _change("replace", service, name, keep=keep, on_message=on_message)


def stop_service(service: Names, *, name: str | None = None, on_message: OnMessage | None = None) -> Cluster:
    """Stop services; each stays stopped, also over `restart` and a crash of the keeper, until `start_service` or `up`.

    Raises UsageError for what the cluster does not have, and for what cannot be stopped by itself (head, serve, the
    gateway); NotRunning where nothing of the cluster runs.
    """
    return _change("stop", service, name, on_message=on_message)


def start_service(
    service: Names, *, name: str | None = None, keep: bool = False, on_message: OnMessage | None = None
) -> Cluster:
    """Start services that were stopped; a step is run once more. What runs already stays as it is.

    Raises UsageError for what the cluster does not have, NotRunning where nothing of it runs.
    """
    return _change("start", service, name, keep=keep, on_message=on_message)


def _change(op: str, service: Names, name: str | None, *, keep: bool = False, on_message: OnMessage | None) -> Cluster:
    wanted = resolve_name(name)
    require_something(wanted)
    services = [service] if isinstance(service, str) else list(service)
    fields = {"services": services, "keep": keep, **here(wanted)}
    return changed(ClusterPaths.of(wanted), op, fields, on_message)
