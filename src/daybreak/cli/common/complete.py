"""What the shell completes: names of clusters, services and targets. Reads folders, asks nobody."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from daybreak.names import DATABASES, GATEWAY, HEAD, SERVE, WORKERS, group_of
from daybreak.spec.groups import groups_in

# What Ray calls the file with a job's output, before its name.
JOB_LOG = "job-driver-"
DAYBREAKS_OWN = (HEAD, SERVE, GATEWAY, "warm", "prometheus", "grafana")
TARGETS = ("all", "head", "serve", "stopped", "workers")


def cluster(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """The clusters of this account."""
    from daybreak.keeper.control.clusters import names

    del context, parameter
    return [name for name in names() if name.startswith(incomplete)]


def service(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """The services of the cluster that is named, or the folder's, that have a log, all workers as one, and the other
    machines."""
    given = context.params.get(parameter.name or "") or ()
    known = _services(context)
    groups = _groups(context)
    workers = [WORKERS] if any(group_of(name, groups) for name in known) else []
    return [name for name in [*known, *workers, *_hosts(context)] if name.startswith(incomplete) and name not in given]


def _hosts(context: click.Context) -> list[str]:
    """The other machines that have joined."""
    from daybreak.files import read_book
    from daybreak.paths import ClusterPaths

    name = _name(context)
    return sorted(read_book(ClusterPaths.of(name).hosts_book).get("hosts", ())) if name else []


def restartable(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """The services of that cluster that can be started anew by themselves."""
    return _named(context, parameter, incomplete, but=("keeper", SERVE))


def stoppable(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Those that can be stopped by themselves."""
    return _named(context, parameter, incomplete, but=("keeper", SERVE, HEAD, GATEWAY, "warm"))


def startable(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Those that can be started by themselves."""
    return _named(context, parameter, incomplete, but=("keeper",))


def _named(context: click.Context, parameter: click.Parameter, incomplete: str, *, but: tuple[str, ...]) -> list[str]:
    given = context.params.get(parameter.name or "") or ()
    spec = _spec(context)
    # One that has not run yet has no log, and one that is gone still has its.
    own = spec.get("services") or ()
    known = sorted({*(one for one in _services(context) if _is_there(one, spec)), *own} - {"hooks", *but, *given})
    return [name for name in known if name.startswith(incomplete)]


def _spec(context: click.Context) -> Mapping[str, Any]:
    """What the cluster was last started with; empty where it never was."""
    from daybreak.keeper.control.stored_state import Stored
    from daybreak.paths import ClusterPaths

    name = _name(context)
    stored = Stored.load(ClusterPaths.of(name).wanted) if name else None
    return stored.spec if stored else {}


def _is_there(name: str, spec: Mapping[str, Any]) -> bool:
    """Does this spec have it? Without one all are taken for there."""
    if not spec or name in DAYBREAKS_OWN:
        return True
    if name in DATABASES:
        return (spec.get("databases") or {}).get(name) is not None
    return name in (spec.get("services") or ()) or bool(group_of(name, groups_in(spec)))


def group(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """`GROUP=` for the groups of workers that the cluster was last started with, where there are several."""
    given = [str(word).partition("=")[0] for word in context.params.get(parameter.name or "") or ()]
    groups = _groups(context)
    return [f"{name}=" for name in groups if len(groups) > 1 and name.startswith(incomplete) and name not in given]


def _groups(context: click.Context) -> list[str]:
    return groups_in(_spec(context))


def application(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """The applications of what that cluster was last started with; those of a Serve config as it is now."""
    from daybreak.keeper.control.stored_state import Stored
    from daybreak.paths import ClusterPaths

    del parameter
    name = _name(context)
    stored = Stored.load(ClusterPaths.of(name).wanted) if name else None
    serve = stored.spec.get("serve", {}) if stored else {}
    config = Path(stored.base, serve["config"]) if stored and serve.get("config") else None
    listed = _of_config(config) if config else [one["name"] for one in serve.get("applications", ())]
    return [one for one in listed if one.startswith(incomplete)]


def profile(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """The profiles of the spec's services, and `none`."""
    from daybreak.errors import DaybreakError
    from daybreak.spec.document import parse_document, read_text
    from daybreak.spec.find import spec_files

    given = context.params.get(parameter.name or "") or ()
    found = {"none"}
    try:
        for file in spec_files(context.params.get("file"), Path.cwd()):
            services = parse_document(read_text(file), "").data.get("services") or {}
            found |= {str(one) for service in services.values() for one in (service or {}).get("profiles") or ()}
    except (DaybreakError, OSError, AttributeError, TypeError):
        pass
    return sorted(one for one in found if one.startswith(incomplete) and one not in given)


def version(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """The versions that are kept, newest first."""
    from daybreak.paths import ClusterPaths

    del parameter
    name = _name(context)
    numbers = [] if name is None else [path.stem for path in ClusterPaths.of(name).versions.glob("*.json")]
    return sorted((number for number in numbers if number.startswith(incomplete)), key=int, reverse=True)


def job(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """The jobs whose logs the head has, newest first."""
    from daybreak.paths import ClusterPaths

    given = context.params.get(parameter.name or "") or ()
    name = _name(context)
    found = [] if name is None else list(ClusterPaths.of(name).runtime.glob(f"*/session_latest/logs/{JOB_LOG}*.log"))
    found.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    known = dict.fromkeys(path.stem.removeprefix(JOB_LOG) for path in found)
    return [one for one in known if one.startswith(incomplete) and one not in given]


def database(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """The databases of that cluster, one after another with commas between."""
    del parameter
    before, comma, last = incomplete.rpartition(",")
    known = [name for name in _services(context) if name in DATABASES and name not in before.split(",")]
    return [f"{before}{comma}{name}" for name in known if name.startswith(last)]


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
    from daybreak.spec.find import cluster_here

    folder = Path.cwd()
    try:
        return context.params.get("name") or cluster_here(folder)
    except (OSError, ValueError):
        return None
