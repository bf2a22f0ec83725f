"""The tables of README.md and docs/performance.md, made from the results: no number in them is typed by hand."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.machine import ROOT
from bench.results import Line, Report, Summary, load

RESULTS = ROOT / "bench" / "results" / "startup.json"
PAGES = (ROOT / "README.md", ROOT / "docs" / "performance.md")
BEGIN = "<!-- bench:startup -->"
END = "<!-- /bench -->"
ABSENT = "-"


class NoMarkers(Exception):
    """The page has no place for the table."""


def text_table(report: Report) -> str:
    """For a terminal: one line per scenario, names as `--only` takes them."""
    head = ("scenario", "first 200", "min", "max", "x stock", "all nodes", "min", "max", "x stock", "runs")
    rows: list[tuple[str, ...]] = [head]
    for line, response, nodes in _rows(report):
        cells = [cell for summary in (response, nodes) for cell in _cells(summary)]
        rows.append((line.name, *cells, _runs(response)))
    widths = [max(len(row[place]) for row in rows) for place in range(len(head))]
    return "\n".join(
        "  ".join(cell.rjust(width) if place else cell.ljust(width) for place, (cell, width) in enumerate(columns))
        for columns in (list(zip(row, widths, strict=True)) for row in rows)
    )


def markdown(report: Report) -> str:
    """For the pages: the table, what it was measured on, and what to know about it."""
    workers = report.settings["workers"]
    lines = [
        f"| head, {workers} workers and one application | first HTTP 200 | times as fast | all {workers + 1} nodes | "
        "times as fast | runs |",
        "|---|---|---|---|---|---|",
    ]
    for line, response, nodes in _rows(report):
        cells = [cell for summary in (response, nodes) for cell in (_range(summary), _times(summary))]
        lines.append("| " + " | ".join([line.title, *cells, _runs(response)]) + " |")
    notes = [_measured_on(report), *(f"Warning: {warning}" for warning in report.warnings())]
    return "\n".join(lines) + "\n\n" + "\n\n".join(notes)


def placed(page: str, table: str) -> str:
    """The page with the table between its markers; raises NoMarkers."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise NoMarkers(f"there is no {BEGIN} ... {END}")
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


def update(pages: Sequence[Path], table: str, *, check: bool) -> list[str]:
    """Write the table into the pages, or with `check` only look; returns what is wrong, in words."""
    wrong = []
    for path in pages:
        try:
            page = path.read_text()
            made = placed(page, table)
        except (OSError, NoMarkers) as error:
            wrong.append(f"{path}: {error}")
            continue
        if made == page:
            continue
        if check:
            wrong.append(f"{path}: the table is stale; run `python -m bench.table`")
        else:
            path.write_text(made)
    return wrong


def _rows(report: Report) -> list[tuple[Line, Summary, Summary]]:
    ran = {sample.scenario for sample in report.samples}
    return [
        (line, report.summary(line, "first_200_s"), report.summary(line, "all_nodes_s"))
        for line in report.lines
        if line.name in ran
    ]


def _cells(summary: Summary) -> tuple[str, str, str, str]:
    times = (summary.median_s, summary.min_s, summary.max_s)
    median_s, min_s, max_s = (ABSENT if value is None else f"{value:.2f} s" for value in times)
    return median_s, min_s, max_s, _times(summary)


def _range(summary: Summary) -> str:
    if summary.median_s is None:
        return ABSENT
    return f"{summary.median_s:.1f} s ({summary.min_s:.1f} to {summary.max_s:.1f})"


def _times(summary: Summary) -> str:
    return ABSENT if summary.times_as_fast is None else f"{summary.times_as_fast:.1f}"


def _runs(summary: Summary) -> str:
    good = summary.runs - summary.failed
    return f"{good} of {summary.runs}" if summary.failed else str(good)


def _measured_on(report: Report) -> str:
    where = report.machine
    memory = f"{where['memory_bytes'] / 2**30:.0f} GiB"
    return (
        f"Medians (and ranges), scenarios in turn. Ray {where['ray']}, Python {where['python']}, "
        f"{where['cores']} cores ({where['cpu']}), {memory}, {where['kernel']}; "
        f"daybreak {where['daybreak']} ({where['commit'] or 'no commit'}), {where['date'][:10]}."
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.table", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 where a table is stale")
    parser.add_argument("--results", type=Path, default=RESULTS, help=f"default {RESULTS.relative_to(ROOT)}")
    options = parser.parse_args(arguments)
    try:
        table = markdown(load(options.results))
    except FileNotFoundError:
        print(f"{options.results} is missing; measure first: python -m bench.startup", file=sys.stderr)
        return 1
    wrong = update(PAGES, table, check=options.check)
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
