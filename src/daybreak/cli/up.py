"""daybreak up."""

from __future__ import annotations

from pathlib import Path

import click

from daybreak import api
from daybreak.cli.common import interrupt, options
from daybreak.cli.common.change import follow
from daybreak.cli.common.given_spec import given_or_stored
from daybreak.keeper import client
from daybreak.paths import ClusterPaths
from daybreak.spec import cluster_name, find_spec


@click.command()
@options.workers
@options.spec
@click.option(
    "--backend", type=click.Choice(["process", "docker"]), help="Where to run; remembered for later commands."
)
@options.keep
@options.take_over
@options.as_json
@options.verbose
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
    """Start everything, or change what differs. Idempotent.

    Without WORKERS the spec's count counts.

    \b
    Examples:
      daybreak up                    as the spec says
      daybreak up 3                  with three workers
      daybreak up 3 --app app:main   without a spec file
      daybreak up --backend docker   in containers; `daybreak image build` makes the image
    """
    with interrupt.nothing_started():
        _start_keeper_early(name, file)
        spec = given_or_stored(workers, app, name, file, port_offset, backend)
    follow(
        lambda on_message: (
            api.up(spec, workers=workers, backend=backend, keep=keep, take_over=take_over, on_message=on_message)
            if spec
            else api.up_again(name, workers=workers, backend=backend, keep=keep, on_message=on_message)
        ),
        as_json=as_json,
    )


def _start_keeper_early(name: str | None, file: str | None) -> None:
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
