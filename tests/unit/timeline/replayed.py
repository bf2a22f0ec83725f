"""Event histories to replay, one JSON object a line in `histories/`, and runs to go with them.

startup: three workers, Serve waits for the head's raylet, the gateway for Serve. failed: Serve dies, the rest is taken
down again. interrupted: the startup's first second, as a killed keeper leaves it. restart: in place, stops first.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from daybreak.timeline.event import Event, Kind, Outcome, RunKind
from daybreak.timeline.run import Run

FOLDER = Path(__file__).parent / "histories"


def history(name: str) -> list[Event]:
    lines = (FOLDER / f"{name}.jsonl").read_text().splitlines()
    return [Event.from_json(json.loads(line)) for line in lines]


def event(kind: Kind, at_s: float, service: str | None = "head", run: int | None = 1, **data: Any) -> Event:
    return Event(kind, at_s, 1_760_000_000.0 + at_s, service, run, data)


def a_run(number: int, duration_s: float | None = 4.0, **rest: Any) -> Run:
    """A successful warm startup of three workers, except for what is said otherwise."""
    values: dict[str, Any] = {
        "kind": RunKind.STARTUP,
        "outcome": Outcome.OK,
        "workers": 3,
        "warm": True,
        "began_wall": 1_760_000_000.0 + number * 1000,
        "duration_s": duration_s,
    }
    return Run(id=number, **values | rest)
