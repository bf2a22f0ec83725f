"""daybreak prewarm."""

from __future__ import annotations

import sys

import click

from daybreak import api
from daybreak.cli.common import interrupt, options
from daybreak.cli.common.change import timed
from daybreak.cli.common.given_spec import load
from daybreak.cli.common.output import print_json
from daybreak.show.text import seconds


@click.command()
@options.spec
@options.take_over
@options.as_json
@options.verbose
def prewarm(
    app: str | None,
    name: str | None,
    file: options.Words,
    port_offset: int | None,
    take_over: bool,
    as_json: bool,
) -> None:
    """Do now what a later `up` would have to do first.

    Starts the warm template and nothing else; `down` ends it. With `backend: docker` builds the application's image
    where it is missing, and pulls those that the spec names.

    \b
    Example:
      daybreak prewarm && daybreak up
    """
    with interrupt.nothing_started():
        spec = load(file, name=name, app=app, port_offset=port_offset)
    if spec.spec.in_containers:
        from daybreak.cli.image.build import build_if_missing

        build_if_missing(spec)
    cluster, took_s = timed(
        lambda on_message: api.prewarm(spec, take_over=take_over, on_message=on_message), as_json=as_json
    )
    if as_json:
        print_json({**cluster.raw, "duration_s": round(took_s, 3)})
    else:
        ready = "has its images" if spec.spec.in_containers else "is warm"
        print(f"{cluster.name} {ready} after {seconds(took_s)}", file=sys.stderr)
