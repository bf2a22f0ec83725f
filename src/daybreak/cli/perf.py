"""perf: measure, and show what has been measured."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from daybreak import api
from daybreak.cli.output import confirm, print_json, print_rich, styled
from daybreak.errors import DaybreakError, UsageError
from daybreak.paths import ClusterPaths
from daybreak.report import perf as report
from daybreak.report.progress import progress
from daybreak.report.text import seconds
from daybreak.timeline.event import Outcome, RunKind
from daybreak.timeline.store import Run, Store


def startup(
    runs: int,
    workers: int | None,
    app: str | None,
    name: str | None,
    file: str | None,
    port_offset: int | None,
    as_json: bool,
) -> None:
    """Start and stop a cluster that is not running, `runs` times."""
    spec = api.load(file, name=name, app=app, workers=workers, port_offset=port_offset)
    cluster = spec.spec.name
    if api.status(cluster).state != "stopped":
        raise UsageError(f"cluster {cluster} is running", hint="`daybreak down` first, or measure `perf restart`")

    def once(on_message: api.OnMessage) -> None:
        api.up(spec, on_message=on_message)
        measured.append(_last_run(cluster))
        api.down(cluster)

    measured: list[Run] = []
    try:
        _repeat("start", runs, once)
    except DaybreakError:
        api.down(cluster)
        raise
    _show(measured, as_json)


def restart(runs: int, name: str | None, as_json: bool) -> None:
    """Restart a running cluster `runs` times."""
    cluster = api.resolve_name(name)
    if api.status(cluster).state == "stopped":
        raise UsageError(f"cluster {cluster} is not running", hint="start it with `daybreak up`")
    measured: list[Run] = []

    def once(on_message: api.OnMessage) -> None:
        api.restart(name=cluster, on_message=on_message)
        measured.append(_last_run(cluster))

    _repeat("restart", runs, once)
    _show(measured, as_json)


def _repeat(what: str, runs: int, once: Callable[[api.OnMessage], None]) -> None:
    for number in range(runs):
        began = time.monotonic()
        with progress(live=styled()) as shown:
            once(shown.message)
        print(f"{what} {number + 1} of {runs}: {seconds(time.monotonic() - began)}", file=sys.stderr)


def stats(name: str | None, as_json: bool) -> None:
    """Medians by kind and worker count, and the critical chain of the last run."""
    with _store(name) as store:
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


def history(name: str | None, limit: int, as_json: bool) -> None:
    """Every run, newest first."""
    with _store(name) as store:
        runs = store.runs(limit=limit)
    if as_json:
        print_json(report.history_json(runs))
    else:
        print_rich(report.history_table(runs, time.time()))


def clear(name: str | None, yes: bool) -> None:
    """Delete the measurements."""
    cluster = api.resolve_name(name)
    confirm(f"Delete the history of cluster {cluster}?", yes=yes)
    path = ClusterPaths.of(cluster).timeline
    count = 0
    if path.exists():
        with Store(path) as store:
            count = store.clear()
    print(f"deleted {count} runs", file=sys.stderr)


def _store(name: str | None) -> Store:
    """The history, for reading: also while no keeper runs, or from a folder that cannot be written to."""
    return Store(ClusterPaths.of(api.resolve_name(name)).timeline, read_only=True)


def _last_run(cluster: str) -> Run:
    with _store(cluster) as store:
        newest = store.runs(limit=1)
    if not newest:
        raise DaybreakError(f"the history of cluster {cluster} cannot be read", hint="see `daybreak logs keeper`")
    return newest[0]


def _show(runs: list[Run], as_json: bool) -> None:
    if as_json:
        print_json(report.stats_json(runs))
    else:
        print_rich(report.stats_report(runs))
