"""daybreak up."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from daybreak import api
from daybreak.cli.common import interrupt, options
from daybreak.cli.common.change import follow
from daybreak.cli.common.foreground import foreground as stay_with
from daybreak.cli.common.foreground import is_rolled_back
from daybreak.cli.common.given_spec import read_or_stored
from daybreak.extras.boot.notify import Notifier
from daybreak.keeper.control import client
from daybreak.paths import ClusterPaths
from daybreak.spec.find import cluster_here, spec_files
from daybreak.spec.groups import Counts


@click.command()
@options.workers
@options.spec
@click.option(
    "--backend", type=click.Choice(["process", "docker"]), help="Where to run; remembered for later commands."
)
@options.profiles
@options.keep
@options.no_hooks
@options.take_over
@click.option(
    "--foreground", is_flag=True, help="Stay until it is stopped, and stop it when told to end (SIGTERM, Ctrl-C)."
)
@options.as_json
@options.verbose
def up(
    workers: Counts | None,
    app: str | None,
    name: str | None,
    file: options.Words,
    port_offset: int | None,
    backend: str | None,
    profiles: options.Words,
    keep: bool,
    no_hooks: bool,
    take_over: bool,
    foreground: bool,
    as_json: bool,
) -> int | None:
    """Start everything, or change what differs. Idempotent. Without WORKERS the spec's counts count.

    \b
    Examples:
      daybreak up                    as the spec says
      daybreak up gpu=1 cpu=4        with so many of each group
      daybreak up 3 --app app:main   without a spec file
      daybreak up --profile debug    with that profile's services; --backend docker: in containers
      daybreak up --foreground       for a supervisor; `daybreak install` lets systemd run it
    """
    notify = Notifier.taken_from(os.environ) if foreground else Notifier()
    with interrupt.nothing_started():
        _start_keeper_early(name, file)
        spec = read_or_stored(workers, app, name, file, port_offset, backend, profiles)
    paths = ClusterPaths.of(spec.name if spec else api.resolve_name(name))
    spec = None if foreground and is_rolled_back(paths) else spec

    def change(on_message: api.OnMessage) -> api.Cluster:
        given: dict[str, Any] = {"workers": workers, "backend": backend, "keep": keep}
        given |= {"hooks": not no_hooks, "on_message": on_message}
        return api.up(spec, take_over=take_over, **given) if spec else api.up_again(paths.name, **given)

    if foreground:
        return stay_with(paths, lambda: follow(change, as_json=as_json), notify)
    _follow(change, file, port_offset, as_json=as_json)
    return None


def _follow(
    change: Callable[[api.OnMessage], api.Cluster], file: options.Words, offset: int | None, *, as_json: bool
) -> None:
    """The next `up` or `restart` reads the file again, and would move every port back: that is told in time."""
    follow(change, as_json=as_json)
    if offset is not None and spec_files(file, Path.cwd()):
        print(
            f"note: --port-offset {offset} counts for this command alone, beside a spec file; "
            f"`ports: {{offset: {offset}}}` in the file keeps it through `restart`",
            file=sys.stderr,
        )


def _start_keeper_early(name: str | None, file: options.Words) -> None:
    """Start the keeper before the spec is read: both take their imports' time, side by side."""
    folder = Path.cwd()
    source = spec_files(file, folder)
    try:
        paths = ClusterPaths.of(name or cluster_here(folder, file))
    except (OSError, ValueError):
        return  # reading the spec properly will say what is wrong
    existing = client.connect(paths)
    if existing:
        existing.close()
    elif source:
        client.spawn_aside(paths)
