"""Results as text: a table for a terminal, Markdown for the pages. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from bench.measures import MEASURES, written
from bench.records import Goal, Line, Summary, Verdict
from bench.results import Report
from bench.straight import Straight

ABSENT = "-"
FAILURES = (
    "refused_count",
    "cut_count",
    "server_error_count",
    "not_found_count",
    "other_status_count",
    "timed_out_count",
)
TEXT_HEAD = ("scenario", "measure", "median", "min", "max", "x baseline", "runs")


@dataclass(frozen=True)
class Column:
    """A measure as the table of starts shows it, and how it is compared: as a factor, or as a share of Ray's."""

    measure: str
    head: str
    share: bool = False


def text_table(report: Report) -> str:
    """For a terminal: one line per scenario and measure, names as `--only` takes them."""
    rows: list[tuple[str, ...]] = [TEXT_HEAD]
    for line in report.ran:
        found = [report.summary(line, measure) for measure in report.measures]
        known = [summary for summary in found if summary.median is not None]
        rows += [_text_row(line, summary) for summary in known] or [(line.name, *[ABSENT] * 5, _runs(report, line))]
    widths = [max(len(row[place]) for row in rows) for place in range(len(TEXT_HEAD))]
    return "\n".join(
        "  ".join(cell.rjust(width) if place > 1 else cell.ljust(width) for place, (cell, width) in enumerate(columns))
        for columns in (list(zip(row, widths, strict=True)) for row in rows)
    )


def startup(report: Report) -> str:
    """Starts and restarts: a row per scenario, two columns per measure that was taken."""
    workers = report.settings["workers"]
    columns = [
        column
        for column in (
            Column("first_200_s", "first HTTP 200"),
            Column("all_nodes_s", f"all {workers + 1} nodes"),
            Column("cpu_s", "CPU time", share=True),
            Column("pss_bytes", "memory (PSS)", share=True),
        )
        if column.measure in report.measures or column.measure in ("first_200_s", "all_nodes_s")
    ]
    heads = [word for column in columns for word in (column.head, "share" if column.share else "times as fast")]
    rows = [
        [line.title, *(cell for column in columns for cell in _cells(report, line, column)), _runs(report, line)]
        for line in report.ran
    ]
    return page([f"head, {workers} workers and one application", *heads, "runs"], rows, report)


def work(report: Report) -> str:
    """What a running cluster does: a row per comparison."""
    return _with_notes(_comparisons(report), report)


def scale(report: Report) -> str:
    """What one more worker costs, then a row per number of workers, and how straight the line through them is."""
    sizes = [line for line in report.ran if line.workers is not None]
    measures = [name for name in report.measures if any(report.summary(line, name).median for line in sizes)]
    rows = [[str(line.workers), *(_range(report.summary(line, name)) for name in measures)] for line in sizes]
    heads = ["daybreak, worker nodes", *(MEASURES[name].title for name in measures)]
    lines = [_straight(name, line) for name, line in report.straights().items()]
    parts = [_comparisons(report), _table(heads, rows) if rows else "", "\n".join(lines)]
    return _with_notes("\n\n".join(part for part in parts if part), report)


def restart(report: Report) -> str:
    """What becomes of requests: a row per event, failures over all its runs, the median of everything else."""
    heads = ["event", "failed or cut", "of these", "first answer of the new code", "slowest answer"]
    heads += ["longest stretch unanswered", "median latency before, during", "99th percentile before, during", "runs"]
    rows = [_event(report, line) for line in report.lines if line in report.ran or line.skipped]
    return page(heads, rows, report)


def reload(report: Report) -> str:
    """What becomes of a saved file: a row per tool and application, medians of all its saves."""
    heads = [
        "saved",
        "first answer of the new code",
        "last answer of the old",
        "the tool says so",
        "deployments replaced",
    ]
    heads += ["failed or cut", "slowest answer", "runs"]
    rows = [_saved(report, line) for line in report.lines if line in report.ran or line.skipped]
    return page(heads, rows, report)


def hosts(report: Report) -> str:
    """Several machines: a row per scenario, medians, failures over all runs."""
    heads = ["several machines", "a machine joins", "a further worker there", "first HTTP 200", "all nodes"]
    heads += ["failed or cut", "until requests are answered in time", "slowest answer", "runs"]
    lines = [line for line in report.lines if (line in report.ran or line.skipped) and line.name != "many"]
    rows = [_of_hosts(report, line) for line in lines]
    return _with_notes("\n\n".join(filter(None, [_table(heads, rows), _with_many(report)])), report)


def _with_many(report: Report) -> str:
    """What the keeper takes; empty where it was not measured."""
    line = next((line for line in report.ran if line.name == "many"), None)
    if line is None:
        return ""
    measures = ("keeper_bytes", "busy_ms", "plan_s")
    told = [f"{MEASURES[name].title} {_range(report.summary(line, name))}" for name in measures]
    points = [point for sample in report.samples if sample.scenario == line.name for point in sample.points]
    grown = ", ".join(f"{written('keeper_bytes', size)} with {count:,.0f}" for count, size in points)
    return f"- {line.title}: {', '.join(told)}; memory: {grown}"


def goals(reports: Sequence[Report]) -> str:
    """What is required beside what was measured, over all suites."""
    verdicts = [verdict for report in reports for verdict in report.verdicts()]
    return _table(["", "required", "measured", ""], [_verdict(verdict) for verdict in verdicts])


def _event(report: Report, line: Line) -> list[str]:
    if line.skipped:
        return [line.title, f"skipped: {line.skipped}", *[""] * 7]

    def middle(*measures: str) -> str:
        found = [report.summary(line, measure).median for measure in measures]
        return ", ".join(
            ABSENT if value is None else written(name, value) for name, value in zip(measures, found, strict=True)
        )

    counted = {name: report.total(line, name) for name in FAILURES}
    kinds = [f"{MEASURES[name].title} {number:,}" for name, number in counted.items() if number]
    failed = f"{report.total(line, 'failed_count'):,} of {report.total(line, 'requests_count'):,}"
    columns = (("new_code_s",), ("slowest_s",), ("silence_s",))
    quantiles = (("p50_before_ms", "p50_during_ms"), ("p99_before_ms", "p99_during_ms"))
    cells = [middle(*measures) for measures in (*columns, *quantiles)]
    return [line.title, failed, ", ".join(kinds) or ABSENT, *cells, _runs(report, line)]


def _saved(report: Report, line: Line) -> list[str]:
    if line.skipped:
        return [line.title, f"skipped: {line.skipped}", *[""] * 6]

    def middle(*measures: str) -> str:
        found = ((name, report.summary(line, name).median) for name in measures)
        return next((written(name, value) for name, value in found if value is not None), ABSENT)

    requests = report.total(line, "requests_count")
    failed = f"{report.total(line, 'failed_count'):,} of {requests:,}" if requests else ABSENT
    # Of tests there is one time.
    cells = [middle("new_code_s", "tests_s"), *map(middle, ("replaced_s", "told_s", "deployments_count"))]
    return [line.title, *cells, failed, middle("slowest_s"), _runs(report, line)]


def _of_hosts(report: Report, line: Line) -> list[str]:
    if line.skipped:
        return [line.title, f"skipped: {line.skipped}", *[""] * 7]
    times = [_range(report.summary(line, name)) for name in ("join_s", "further_s", "first_200_s", "all_nodes_s")]
    requests = report.total(line, "requests_count")
    failed = f"{report.total(line, 'failed_count'):,} of {requests:,}" if requests else ABSENT
    last = [_range(report.summary(line, name)) for name in ("moved_s", "slowest_s")]
    return [line.title, *times, failed, *last, _runs(report, line)]


def _comparisons(report: Report) -> str:
    rows = []
    by_name = {line.name: line for line in report.lines}
    for line in (line for line in report.ran if line.baseline != line.name):
        for measure in report.measures:
            own, other = report.summary(line, measure), report.summary(by_name[line.baseline], measure)
            if own.median is not None or other.median is not None:
                title = f"{line.title}: {MEASURES[measure].title}"
                factor = ABSENT if own.factor is None else f"{own.factor:.1f}"
                rows.append([title, _range(other), _range(own), factor, _runs(report, line)])
    return _table(["", "Ray's commands", "daybreak", "times better", "runs"], rows) if rows else ""


def _straight(measure: str, line: Straight) -> str:
    slope = written(measure, line.slope)
    return (
        f"- {MEASURES[measure].title}: {slope} per worker; no point is further than {line.max_deviation_share:.0%} "
        f"({written(measure, line.max_deviation)}) from the straight line"
    )


def _verdict(verdict: Verdict) -> list[str]:
    met = {True: "met", False: "not met", None: "not measured"}[verdict.met]
    measured = ABSENT if verdict.measured is None else _compared(verdict.goal, verdict.measured)
    bound = "at most" if verdict.goal.share or verdict.goal.limit else "at least"
    return [verdict.goal.title, f"{bound} {_compared(verdict.goal, verdict.goal.required)}", measured, met]


def _compared(goal: Goal, value: float) -> str:
    if goal.limit:
        return written(goal.measure, value)
    return f"{value:.2f} of {goal.whose}" if goal.share else f"{value:.1f} times"


def _text_row(line: Line, summary: Summary) -> tuple[str, ...]:
    values = (summary.median, summary.min, summary.max)
    cells = [ABSENT if value is None else written(summary.measure, value) for value in values]
    factor = ABSENT if summary.factor is None else f"{summary.factor:.2f}"
    return (line.name, summary.measure, *cells, factor, _counted(summary.runs, summary.failed))


def _cells(report: Report, line: Line, column: Column) -> tuple[str, str]:
    summary = report.summary(line, column.measure)
    if summary.factor is None:
        return _range(summary), ABSENT
    return _range(summary), f"{1 / summary.factor:.2f}" if column.share else f"{summary.factor:.1f}"


def _range(summary: Summary) -> str:
    """The median, and where there are several runs the smallest and the largest."""
    if summary.median is None or summary.min is None or summary.max is None:
        return ABSENT
    middle = written(summary.measure, summary.median)
    if summary.runs - summary.failed == 1 and summary.min == summary.max and summary.baseline == summary.scenario:
        return middle
    low, high = (written(summary.measure, value, unit=False) for value in (summary.min, summary.max))
    return f"{middle} ({low} to {high})"


def _runs(report: Report, line: Line) -> str:
    summary = report.summary(line, next(iter(report.measures), "first_200_s"))
    return _counted(summary.runs, summary.failed)


def _counted(runs: int, failed: int) -> str:
    return f"{runs - failed} of {runs}" if failed else str(runs)


def page(heads: Sequence[str], rows: Iterable[Sequence[str]], report: Report) -> str:
    return _with_notes(_table(heads, rows), report)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|", *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines)


def _with_notes(text: str, report: Report) -> str:
    notes = [_measured_on(report), *(f"Warning: {warning}" for warning in report.warnings())]
    return text + "\n\n" + "\n\n".join(notes)


def _measured_on(report: Report) -> str:
    where = report.machine
    memory = f"{where['memory_bytes'] / 2**30:.0f} GiB"
    return (
        f"Medians (and ranges), scenarios in turn. Ray {where['ray']}, Python {where['python']}, "
        f"{where['cores']} cores ({where['cpu']}), {memory}, {where['kernel']}; "
        f"daybreak {where['daybreak']} ({where['commit'] or 'no commit'}), {where['date'][:10]}.{_speed(report)}"
    )


def _speed(report: Report) -> str:
    """How fast the machine itself was, where that was measured."""
    found = [sample.loop_s for sample in report.samples if sample.loop_s is not None]
    if not found:
        return ""
    low, middle, high = (1000 * value for value in (min(found), median(found), max(found)))
    return f" A fixed loop of Python took {middle:.0f} ms before the runs ({low:.0f} to {high:.0f})."
