"""What `daybreak perf sweep` prints. Prints nothing itself."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from daybreak.extras.sweep.result import Point, Sweep
from daybreak.show.perf import plain_table
from daybreak.show.text import ABSENT, plural, seconds


def point_line(point: Point) -> str:
    """One number of workers in a line."""
    answers = point.answers
    tail = ", ".join(
        f"{name} {milliseconds(value)}"
        for name, value in (("p50", answers.p50_ms), ("p95", answers.p95_ms), ("p99", answers.p99_ms))
    )
    replicas = "" if point.running is None else f" ({plural(point.running, 'replica')})"
    workers = plural(point.workers, "worker")
    return f"{workers}{replicas}: {answers.per_s:.1f} requests/s, {tail}, {plural(answers.failed, 'error')}"


def sweep_report(sweep: Sweep) -> RenderableType:
    """A row for each number of workers, then the best one, how it was chosen, and what to know."""
    load = sweep.load
    body = f" with {load.body_file}" if load.body_file else ""
    what = f"{load.method} {load.url}{body}, {plural(load.connections, 'connection')}, {seconds(load.duration_s)} each"
    table = plain_table(">workers", ">replicas", ">requests/s", ">p50", ">p95", ">p99", ">errors", "")
    for point in sweep.points:
        answers = point.answers
        table.add_row(
            str(point.workers),
            ABSENT if point.running is None else str(point.running),
            f"{answers.per_s:.1f}",
            *(milliseconds(value) for value in (answers.p50_ms, answers.p95_ms, answers.p99_ms)),
            str(answers.failed),
            "best" if point is sweep.best else "",
        )
    notes = [Text.assemble(("Note: ", "yellow"), note) for note in sweep.notes()]
    return Group(Text(what), table, Text(), Text(sweep.verdict(), style="bold"), *notes)


def milliseconds(value: float | None) -> str:
    """A latency."""
    return seconds(None if value is None else value / 1000)
