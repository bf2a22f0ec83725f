"""What each fault has cost, as a table. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from bench.faults.judge import Row
from bench.render import page
from bench.results import Report

HEADS = ("fault", "failed", "longest held", "shown after", "healthy after", "status lies", "data lost")
ABSENT = "no such process here"


def chaos(report: Report) -> str:
    """A row for each fault. Of several runs the last good one."""
    sample = next((sample for sample in reversed(report.samples) if sample.ok), None)
    rows = [Row.from_json(raw) for raw in sample.details["rows"]] if sample else []
    return page(HEADS, [[row.title, *cells(row)] for row in rows], report)


def cells(row: Row) -> list[str]:
    """Without its title; none is empty."""
    if row.absent:
        return [ABSENT] * (len(HEADS) - 1)
    return [
        f"{row.failed_count:,} of {row.requests_count:,}",
        _seconds(row.held_s, "nothing was answered"),
        _seconds(row.shown_s, "never"),
        _seconds(row.healthy_s, f"not healed: {'; '.join(row.unwell) or 'requests'}"),
        f"{row.lies_count}, until {row.lied_s:.1f} s" if row.lied_s is not None else "0",
        _lost(row.lost),
    ]


def _lost(lost: Mapping[str, int | None] | None) -> str:
    if lost is None:
        return "not known"
    words = [f"{name} {'not known' if count is None else count}" for name, count in lost.items() if count != 0]
    return ", ".join(words) or "none"


def told(row: Row) -> str:
    """One line of a terminal."""
    return "  ".join(
        [f"{row.fault:<22}", *(f"{head}: {cell}" for head, cell in zip(HEADS[1:], cells(row), strict=True))]
    )


def _seconds(value: float | None, otherwise: str) -> str:
    return otherwise if value is None else f"{value:.1f} s"
