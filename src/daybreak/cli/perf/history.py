"""daybreak perf history."""

from __future__ import annotations

import time

import click

from daybreak.cli.common import options
from daybreak.cli.common.output import print_json, print_rich
from daybreak.cli.perf.measuring import history_of
from daybreak.show import perf as report


@click.command()
@options.name
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="At most this many, newest first.")
@options.as_json
def history(name: str | None, limit: int, as_json: bool) -> None:
    """Every run: starts, restarts, stops, recoveries; failed and interrupted ones marked."""
    with history_of(name) as store:
        runs = store.runs(limit=limit)
    if as_json:
        print_json(report.history_json(runs))
    else:
        print_rich(report.history_table(runs, time.time()))
