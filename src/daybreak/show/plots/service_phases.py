"""The services of a run as rows of a plot: in the order in which they began, many workers drawn together."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from daybreak.timeline.phases import Phase, PhaseKind

# More rows than these are no longer read one by one.
MOST_ROWS = 40
SHOWN_WORKERS = 12


@dataclass(frozen=True)
class ServicePhases:
    """One service and its phases; or several, whose phases are left out: `begin_s` to `end_s` is all of them."""

    name: str
    phases: tuple[Phase, ...]
    begin_s: float
    end_s: float
    together: int = 1


def all_rows(phases: Sequence[Phase]) -> list[ServicePhases]:
    """A row for each service, in the order in which they began."""
    found: dict[str, list[Phase]] = {}
    for phase in phases:
        found.setdefault(phase.service, []).append(phase)
    return sorted((_row(name, own) for name, own in found.items()), key=_order)


def rows_of(phases: Sequence[Phase], important: Collection[str] = ()) -> list[ServicePhases]:
    """A row for each service; of very many workers only the important and the slowest ones have their own."""
    rows = all_rows(phases)
    workers = [row for row in rows if numbered(row.name)]
    if len(rows) <= MOST_ROWS or len(workers) <= SHOWN_WORKERS + 1:
        return rows
    slowest = sorted(workers, key=lambda row: (row.name in important, row.end_s), reverse=True)
    kept = {row.name for row in slowest[:SHOWN_WORKERS]}
    hidden = [row for row in workers if row.name not in kept]
    shown = [row for row in rows if row not in hidden]
    begin_s, end_s = min(row.begin_s for row in hidden), max(row.end_s for row in hidden)
    shown.append(ServicePhases(f"{len(hidden)} more workers", (), begin_s, end_s, len(hidden)))
    return shown


def numbered(service: str) -> bool:
    """Is it one of many, as the workers of a group are?"""
    stem, _, number = service.rpartition("-")
    return bool(stem) and number.isdecimal()


def _order(row: ServicePhases) -> tuple[float, int, str, str]:
    """By when a service began to start; what began together by name, `worker-2` before `worker-10`."""
    idle = (PhaseKind.WAITING, PhaseKind.STOPPING, PhaseKind.BACKING_OFF)
    begin_s = min((phase.begin_s for phase in row.phases if phase.kind not in idle), default=row.begin_s)
    stem, _, number = row.name.rpartition("-")
    return round(begin_s, 1), int(number) if numbered(row.name) else 0, stem, row.name


def _row(name: str, phases: Sequence[Phase]) -> ServicePhases:
    ordered = sorted(phases, key=lambda phase: (phase.begin_s, phase.end_s))
    return ServicePhases(name, tuple(ordered), ordered[0].begin_s, max(phase.end_s for phase in ordered))
