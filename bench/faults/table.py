"""What each fault has cost, as tables. Pure but for what is kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bench.faults.blow import Blow
from bench.faults.held import Held
from bench.faults.judge import Row
from bench.faults.kept import Kept, Shelf
from bench.faults.killed import REQUIRED, ROUNDS, Killed
from bench.faults.lines import PARTS, Line
from bench.faults.stock import KEEPING, STOCK, UNITS, Stock
from bench.faults.verdict import broken, required

HEADS = (
    "fault",
    "required",
    "failed",
    "longest held",
    "shown after",
    "healthy after",
    "status lies",
    "data lost",
    "bounds passed",
    "met",
)
SHORT_HEADS = ("what", "required", "found", "met")
STOCK_HEADS = ("fault", *(f"{who}: failed / healthy after" for who in ("daybreak", *(one.title for one in KEEPING))))
ABSENT = "no such process here"
NOT_YET = "not measured yet"
NOT_TIMED = "not timed"
YES, NO = "yes", "no"


def chaos(shelf: Shelf) -> str:
    """A row for each fault, also for what was not measured; below, where and when the parts were."""
    found = {line.name: kept for lines in PARTS.values() for line in lines if (kept := shelf.get(line.name))}
    parts = list(dict.fromkeys(kept.part for kept in found.values()))
    number = {name: parts.index(kept.part) + 1 for name, kept in found.items()}

    def rows(lines: Iterable[Line]) -> list[list[str]]:
        return [
            [*cells(line, found.get(line.name)), str(number[line.name]) if line.name in number else "-"]
            for line in lines
        ]

    blows = [line for part in ("kill", "stop", "bear") for line in PARTS[part]]
    part_heads = ("part", "date", "machine", "versions", "how", "load before", "minutes")
    texts = (
        _table((*HEADS, "part"), rows(blows)),
        _table((*SHORT_HEADS, "part"), rows(PARTS["killed"])),
        _table((*SHORT_HEADS, "part"), rows(PARTS["held"])),
        _table((*STOCK_HEADS, "part"), [_beside(line, found, number) for line in STOCK[UNITS]]),
        _table(part_heads, _parts(parts, found.values())),
    )
    return "\n\n".join(texts)


def cells(line: Line, kept: Kept | None) -> list[str]:
    """With its title; none is empty."""
    if isinstance(line, Killed):
        return [line.title, REQUIRED, *_rounds(kept)]
    if isinstance(line, Stock):
        return [line.title, "", *_short(kept)]
    if isinstance(line, Held):
        told = [kept.row["told"], YES if kept.row["passed"] else NO] if kept else [NOT_YET] * 2
        return [line.title, line.required, *told]
    return [line.title, required(line), *_blow(line, kept)]


def _beside(line: Stock, found: Mapping[str, Kept], number: Mapping[str, int]) -> list[str]:
    names = [line.beside, *(replace(line, keeping=keeping).name for keeping in KEEPING)]
    parts = dict.fromkeys(str(number[name]) for name in names if name in number)
    told = (" / ".join(dict.fromkeys(_short(found.get(name)))) for name in names)
    return [line.title, *told, ", ".join(parts) or "-"]


def _short(kept: Kept | None) -> list[str]:
    """Requests that failed, and until all was well."""
    if kept is None or kept.row.get("absent"):
        return [ABSENT if kept else NOT_YET] * 2
    failed = f"{kept.row['failed_count']:,} of {kept.row['requests_count']:,}"
    healthy_s = kept.row["healthy_s"]
    if healthy_s is None:
        return [failed, "not within 3 minutes"]
    return [failed, _seconds(healthy_s, "") if kept.quiet else "healed, not timed"]


def _rounds(kept: Kept | None) -> list[str]:
    rounds: Sequence[Mapping[str, Any]] = kept.row["rounds"] if kept else []
    if not rounds:
        return [NOT_YET, NOT_YET]
    hit, wrong = sum(one["hit"] for one in rounds), [one for one in rounds if one["fault"]]
    told = f"{len(rounds)} of {ROUNDS} rounds, {hit} while it ran, {len(wrong)} went wrong"
    return [told, NO if wrong else (YES if len(rounds) >= ROUNDS else "so far")]


def _blow(line: Blow, kept: Kept | None) -> list[str]:
    if kept is None:
        return [NOT_YET] * (len(HEADS) - 2)
    row = Row.from_json(kept.row)
    if row.absent:
        return [row.reason or ABSENT] * (len(HEADS) - 3) + [NO]
    wrong = broken(line, row, timed=kept.quiet)
    failed = f"{row.failed_count:,} of {row.requests_count:,}"
    return [failed, *(_timed(row) if kept.quiet else _untimed(row)), _lost(row.lost), _passed(row), wrong or YES]


def _timed(row: Row) -> list[str]:
    return [
        _seconds(row.held_s, "nothing was answered"),
        _seconds(row.shown_s, "never"),
        _seconds(row.healthy_s, _not_healed(row)),
        f"{row.lies_count}, until {row.lied_s:.1f} s" if row.lied_s is not None else "0",
    ]


def _untimed(row: Row) -> list[str]:
    """What a busy machine says nothing of is left out: who waits there waits for the processor, too."""
    shown = "never" if row.shown_s is None else NOT_TIMED
    healed = _not_healed(row) if row.healthy_s is None else "healed, not timed"
    return [NOT_TIMED, shown, healed, f"{row.untrue_count} of requests that failed"]


def _not_healed(row: Row) -> str:
    return f"not healed: {'; '.join(row.unwell) or 'requests'}"


def _passed(row: Row) -> str:
    return "; ".join(row.exceeded) or "none"


def _lost(lost: Mapping[str, int | None] | None) -> str:
    if lost is None:
        return "not known"
    words = [f"{name} {'not known' if count is None else count}" for name, count in lost.items() if count != 0]
    return ", ".join(words) or "none"


def _parts(parts: Sequence[tuple[str, ...]], kept: Iterable[Kept]) -> Iterable[list[str]]:
    all_kept = list(kept)
    for number, part in enumerate(parts, 1):
        own = [one for one in all_kept if one.part == part]
        load = sorted({one.load_1min for one in own})
        yield [str(number), *part, f"{load[0]:g} to {load[-1]:g}", f"{sum(one.took_s for one in own) / 60:.0f}"]


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


def told(line: Line, kept: Kept) -> str:
    """One line of a terminal."""
    heads = SHORT_HEADS[2:] if isinstance(line, Killed | Held) else HEADS[2:]
    if isinstance(line, Stock):
        heads = ("failed", "healthy after")
    found = cells(line, kept)[2:]
    return "  ".join([f"{line.name:<22}", *(f"{head}: {cell}" for head, cell in zip(heads, found, strict=True))])


def _seconds(value: float | None, otherwise: str) -> str:
    return otherwise if value is None else f"{value:.1f} s"
