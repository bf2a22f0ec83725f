"""What is wrong with a cluster and was told, and a test of whom it is told."""

from __future__ import annotations

from typing import Any

from daybreak.api.loading import resolve_name
from daybreak.keeper.control import client
from daybreak.paths import ClusterPaths


def alerts(name: str | None = None, *, test: bool = False) -> dict[str, Any]:
    """`firing`, what is wrong now, oldest first, and `destinations`, who is told of it; with `test` also `tried`: what
    became of a message to each of them.

    Raises NotRunning where the cluster does not run, UsageError for a test where nobody is told.
    """
    paths = ClusterPaths.of(resolve_name(name))
    with client.request(paths, "alerts", start=client.anything_recorded(paths), test=test) as connection:
        found: dict[str, Any] = connection.result()
        return found
