"""All rows, by name, in the order of the table, and the parts that they are in."""

from __future__ import annotations

from collections.abc import Sequence

from bench.faults.blow import Blow
from bench.faults.distresses import DISTRESSES, FLOOD_S, flood
from bench.faults.fault import FAULTS, How
from bench.faults.held import HELD, Held
from bench.faults.killed import KILLED, Killed
from bench.faults.stock import STOCK, Stock

Line = Blow | Killed | Held | Stock
PARTS: dict[str, tuple[Line, ...]] = {
    "kill": tuple(fault for fault in FAULTS if fault.how is How.KILL),
    "stop": tuple(fault for fault in FAULTS if fault.how is How.STOP),
    "bear": DISTRESSES,
    "killed": KILLED,
    "held": HELD,
    **{keeping.name: lines for keeping, lines in STOCK.items()},
}


def chosen(only: Sequence[str] | None = None, flood_s: float = FLOOD_S) -> list[Line]:
    """What is named, by itself or by its part; all where nothing is."""
    return [
        flood(flood_s) if line.name == flood().name else line
        for part, lines in PARTS.items()
        for line in lines
        if not only or part in only or line.name in only
    ]
