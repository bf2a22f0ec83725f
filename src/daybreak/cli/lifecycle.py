"""up, restart, scale, down, plan."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daybreak import api
from daybreak.cli.output import confirm, print_json, styled
from daybreak.cli.stored import about_to_delete
from daybreak.keeper import client
from daybreak.paths import ClusterPaths
from daybreak.report.progress import progress
from daybreak.report.text import seconds
from daybreak.spec import cluster_name, find_spec

if TYPE_CHECKING:
    from daybreak.spec import LoadedSpec


def up(
    workers: int | None,
    app: str | None,
    name: str | None,
    file: str | None,
    port_offset: int | None,
    backend: str | None,
    keep: bool,
    take_over: bool,
    as_json: bool,
) -> None:
    """Start everything; where neither file nor application is named, a stored spec is used again."""
    _start_early(name, file)
    spec = _spec_or_stored(workers, app, name, file, port_offset, backend)
    _follow(
        lambda on_message: (
            api.up(spec, workers=workers, backend=backend, keep=keep, take_over=take_over, on_message=on_message)
            if spec
            else api.up_again(name, workers=workers, backend=backend, keep=keep, on_message=on_message)
        ),
        as_json,
    )


def restart(
    name: str | None, file: str | None, port_offset: int | None, keep: bool, take_over: bool, as_json: bool
) -> None:
    """Replace the app tier; the spec file is read again where there is one. Another folder's cluster, named with -n, is
    restarted as it is wanted there, whatever spec is here."""
    if file is None:
        folder = Path.cwd()
        api.require_something(name or cluster_name(folder, find_spec(folder)))
    elsewhere = name is not None and file is None and not take_over and api.belongs_elsewhere(name, Path.cwd())
    if elsewhere:
        spec = None if port_offset is None else api.load(name=name, port_offset=port_offset, as_stored=True)
    else:
        spec = _spec_or_stored(None, None, name, file, port_offset)
    _follow(
        lambda on_message: api.restart(spec, name=name, keep=keep, take_over=take_over, on_message=on_message),
        as_json,
    )


def scale(workers: int, name: str | None, as_json: bool) -> None:
    """Change the number of workers."""
    _follow(lambda on_message: api.scale(workers, name=name, on_message=on_message), as_json)


def prewarm(
    app: str | None, name: str | None, file: str | None, port_offset: int | None, take_over: bool, as_json: bool
) -> None:
    """Start the template alone; with containers have their images."""
    spec = api.load(file, name=name, app=app, port_offset=port_offset)
    began = time.monotonic()
    if spec.spec.in_containers:
        from daybreak.cli.image import build_if_missing

        build_if_missing(spec)
    with progress(live=styled() and not as_json) as shown:
        cluster = api.prewarm(spec, take_over=take_over, on_message=shown.message)
    if as_json:
        print_json({**cluster.raw, "duration_s": round(time.monotonic() - began, 3)})
    else:
        ready = "has its images" if spec.spec.in_containers else "is warm"
        print(f"{cluster.name} {ready} after {seconds(time.monotonic() - began)}", file=sys.stderr)


def down(name: str | None, volumes: bool, yes: bool, as_json: bool) -> None:
    """Stop everything, and delete the data where asked twice."""
    wanted = api.resolve_name(name)
    if volumes:
        for line in about_to_delete(ClusterPaths.of(wanted)):
            print(line, file=sys.stderr)
        confirm(f"Delete all database data of cluster {wanted}?", yes=yes)
    began = time.monotonic()
    with progress(live=styled() and not as_json) as shown:
        done = api.down(wanted, volumes=volumes, on_message=shown.message)
    if as_json:
        print_json(done)
    else:
        deleted = f"; deleted the data of {', '.join(done['deleted'])}" if done.get("deleted") else ""
        print(f"{wanted} is down after {seconds(time.monotonic() - began)}{deleted}", file=sys.stderr)
        if not done:
            from daybreak.cli.clusters import tell_others

            tell_others(wanted)


def plan(
    workers: int | None,
    app: str | None,
    name: str | None,
    file: str | None,
    port_offset: int | None,
    restart: bool,
    take_over: bool,
    as_json: bool,
) -> None:
    """Print the steps that `up` would take."""
    spec = api.load(file, name=name, app=app, workers=workers, port_offset=port_offset)
    steps = api.plan(spec, workers=workers, restart=restart, take_over=take_over)
    if as_json:
        print_json(steps)
        return
    for text in steps.get("notes", ()):
        print(f"note   {text}")
    for step in steps["stop"]:
        print(f"stop   {step['service']:<12} {step['why']}")
    for step in steps["start"]:
        needs = f"  after {', '.join(step['needs'])}" if step["needs"] else ""
        print(f"start  {step['service']:<12} {step['why']}{needs}")
    for service in steps["keep"]:
        print(f"keep   {service}")
    if not steps["stop"] and not steps["start"]:
        print("nothing to do")


def _start_early(name: str | None, file: str | None) -> None:
    """Start the keeper before the spec is read: both take their imports' time, side by side."""
    folder = Path.cwd()
    source = Path(file) if file else find_spec(folder)
    try:
        paths = ClusterPaths.of(name or cluster_name(folder, source))
    except (OSError, ValueError):
        return  # reading the spec properly will say what is wrong
    existing = client.connect(paths)
    if existing:
        existing.close()
    elif source is not None:
        client.spawn_aside(paths)


def _spec_or_stored(
    workers: int | None,
    app: str | None,
    name: str | None,
    file: str | None,
    port_offset: int | None,
    backend: str | None = None,
) -> LoadedSpec | None:
    """The spec of the folder or the options; None where a cluster without a file is to go on as it was."""
    nothing_given = app is None and file is None and port_offset is None
    if nothing_given and api.goes_on_without_a_file(name, Path.cwd()):
        return None
    return api.load(file, name=name, app=app, workers=workers, port_offset=port_offset, backend=backend)


def _follow(change: Callable[[api.OnMessage], api.Cluster], as_json: bool) -> None:
    """Show a run while it happens, then what came of it."""
    began = time.monotonic()
    with progress(live=styled() and not as_json) as shown:
        cluster = change(shown.message)
    if as_json:
        print_json({**cluster.raw, "duration_s": round(time.monotonic() - began, 3)})
    else:
        print(f"{cluster.name} is {cluster.state} after {seconds(time.monotonic() - began)}", file=sys.stderr)
        print_urls(cluster.urls)
        page = cluster.raw.get("page", {})  # a keeper of an older version tells none
        if page.get("state") == "failed":
            print(f"the page is not served: {page['reason']}", file=sys.stderr)


def print_urls(urls: Mapping[str, Any]) -> None:
    """Where it answers."""
    for service, url in urls.items():
        print(f"{service:<12} {url}")
