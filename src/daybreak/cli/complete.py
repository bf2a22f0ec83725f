"""What the shell completes: names of clusters, services and targets. Reads folders, asks nobody."""

from __future__ import annotations

from pathlib import Path

import click

TARGETS = ("all", "head", "serve", "stopped", "workers")


def cluster(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """The clusters of this account."""
    from daybreak.keeper.clusters import names

    del context, parameter
    return [name for name in names() if name.startswith(incomplete)]


def service(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """The services of the cluster that is named, or the folder's, that have a log, and all workers as one."""
    given = context.params.get(parameter.name or "") or ()
    known = _services(context)
    workers = ["workers"] if any(name.startswith("worker-") for name in known) else []
    return [name for name in [*known, *workers] if name.startswith(incomplete) and name not in given]


def target(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """What `wait` takes."""
    del parameter
    known = [name for name in _services(context) if name != "keeper"]
    return [name for name in sorted({*known, *TARGETS}) if name.startswith(incomplete)]


def _services(context: click.Context) -> list[str]:
    from daybreak.paths import ClusterPaths
    from daybreak.spec import cluster_name, find_spec

    folder = Path.cwd()
    try:
        wanted = context.params.get("name") or cluster_name(folder, find_spec(folder))
    except (OSError, ValueError):
        return []
    paths = ClusterPaths.of(wanted)
    return sorted(path.stem for path in paths.logs.glob("*.log"))
