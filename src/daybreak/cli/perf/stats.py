"""daybreak perf stats."""

from __future__ import annotations

from typing import Any

import click

from daybreak.cli.common import options
from daybreak.cli.common.output import print_json, print_rich
from daybreak.cli.perf.measuring import history_of
from daybreak.show import perf as report
from daybreak.timeline.event import Outcome, RunKind


@click.command()
@options.name
@options.as_json
def stats(name: str | None, as_json: bool) -> None:
    """Medians, spread and trend by kind and worker count, and the critical chain of the last run."""
    with history_of(name) as store:
        runs = store.runs()
        starts = [run for run in runs if run.kind in (RunKind.STARTUP, RunKind.RESTART)]
        last = next((run for run in starts if run.outcome is Outcome.OK), None)
        events = store.events(last.id) if last else []
    if as_json:
        found: dict[str, Any] = report.stats_json(runs)
        found["critical_chain"] = report.chain_json(last, events) if last else None
        print_json(found)
        return
    print_rich(report.stats_report(runs))
    if last:
        print_rich(report.chain_report(last, events))
