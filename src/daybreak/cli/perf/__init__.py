"""daybreak perf: measured starts and restarts."""

from __future__ import annotations

import click

from daybreak.cli.common.lazy import LazyGroup

COMMANDS = {
    "clear": "Delete the history, after asking.",
    "history": "Every run: starts, restarts, stops, recoveries; failed and interrupted ones marked.",
    "plot": "Draw what was measured into a PNG or SVG file, and print its path.",
    "restart": "Restart the running cluster several times.",
    "startup": "Start and stop the cluster several times; it must not be running.",
    "stats": "Medians, spread and trend by kind and worker count, and the critical chain of the last run.",
    "sweep": "Find the best number of workers for the application under a load.",
}


@click.group(cls=LazyGroup, package=__name__, lines=COMMANDS)
def perf() -> None:
    """Measure starts and restarts; show their history."""
