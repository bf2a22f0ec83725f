"""Where events are made: stamps them with both clocks and hands them to every listener as they happen."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from daybreak.timeline.event import Event, Kind

Listener = Callable[[Event], None]


class Recorder:
    """Makes events of one run, or of the time between runs.

    `run` is the run's id in the store, None outside of runs. Offsets count from the creation of the recorder.
    """

    def __init__(self, listeners: list[Listener], run: int | None = None) -> None:
        self._listeners = listeners
        self._run = run
        self._began = time.monotonic()

    def elapsed_s(self) -> float:
        """Seconds since this recorder was made."""
        return time.monotonic() - self._began

    def emit(self, kind: Kind, service: str | None = None, /, **data: Any) -> Event:
        """Record one event; `data` must hold JSON values only."""
        event = Event(kind, self.elapsed_s(), time.time(), service, self._run, data)
        for listener in self._listeners:
            listener(event)
        return event
