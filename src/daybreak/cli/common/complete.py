"""What the shell completes: names of clusters, services and targets. Reads folders, asks nobody."""

from __future__ import annotations

from pathlib import Path

import click

from daybreak.names import SERVE

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


def restartable(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """The services of that cluster that can be started anew by themselves."""
    del parameter
    return [name for name in _services(context) if name not in ("keeper", SERVE) and name.startswith(incomplete)]


def application(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """The applications of what that cluster was last started with; those of a Serve config as it is now."""
    from daybreak.keeper.wanted import Stored
    from daybreak.paths import ClusterPaths

    del parameter
    name = _name(context)
    stored = Stored.load(ClusterPaths.of(name).wanted) if name else None
    serve = stored.spec.get("serve", {}) if stored else {}
    config = Path(stored.base, serve["config"]) if stored and serve.get("config") else None
    listed = _of_config(config) if config else [one["name"] for one in serve.get("applications", ())]
    return [one for one in listed if one.startswith(incomplete)]


def version(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """The versions that are kept, newest first."""
    from daybreak.paths import ClusterPaths

    del parameter
    name = _name(context)
    numbers = [] if name is None else [path.stem for path in ClusterPaths.of(name).versions.glob("*.json")]
    return sorted((number for number in numbers if number.startswith(incomplete)), key=int, reverse=True)


def target(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """What `wait` takes."""
    del parameter
    known = [name for name in _services(context) if name != "keeper"]
    return [name for name in sorted({*known, *TARGETS}) if name.startswith(incomplete)]


def _of_config(file: Path) -> list[str]:
    """The applications of a Serve config; none where it cannot be read."""
    import yaml

    try:
        return [str(one.get("name", "default")) for one in yaml.safe_load(file.read_text())["applications"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError):
        return []


def _services(context: click.Context) -> list[str]:
    from daybreak.paths import ClusterPaths

    name = _name(context)
    return [] if name is None else sorted(path.stem for path in ClusterPaths.of(name).logs.glob("*.log"))


def _name(context: click.Context) -> str | None:
    """The cluster that is named, or the folder's; None where its spec cannot be read."""
    from daybreak.spec import cluster_name, find_spec

    folder = Path.cwd()
    try:
        return context.params.get("name") or cluster_name(folder, find_spec(folder))
    except (OSError, ValueError):
        return None
