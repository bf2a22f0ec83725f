"""Changes of a cluster that are made several times, and what the history says of them."""

from __future__ import annotations

import sys
from collections.abc import Callable

from daybreak import api
from daybreak.cli.common.change import timed
from daybreak.cli.common.output import print_json, print_rich
from daybreak.errors import DaybreakError
from daybreak.paths import ClusterPaths
from daybreak.show import perf as report
from daybreak.show.text import seconds
from daybreak.timeline.reader import Reader
from daybreak.timeline.run import Run


def history_of(name: str | None) -> Reader:
    """The history, for reading: also while no keeper runs, or from a folder that cannot be written to."""
    return Reader(ClusterPaths.of(api.resolve_name(name)).timeline)


def repeat(what: str, runs: int, once: Callable[[api.OnMessage], None]) -> None:
    """Do it so often, and say how long each took."""
    for number in range(runs):
        _, took_s = timed(once)
        print(f"{what} {number + 1} of {runs}: {seconds(took_s)}", file=sys.stderr)


def last_run(cluster: str) -> Run:
    """What was just measured. Raises DaybreakError where it cannot be read."""
    with history_of(cluster) as store:
        newest = store.runs(limit=1)
    if not newest:
        raise DaybreakError(f"the history of cluster {cluster} cannot be read", hint="see `daybreak logs keeper`")
    return newest[0]


def show(runs: list[Run], as_json: bool) -> None:
    """Medians and spread of what was measured."""
    if as_json:
        print_json(report.stats_json(runs))
    else:
        print_rich(report.stats_report(runs))
