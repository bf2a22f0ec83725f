"""Progress of a run: a live tree on a terminal, one plain line per change elsewhere. Reads the event stream only."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TextIO

from daybreak.show.text import harmless, seconds
from daybreak.states import BAD, FINE, ON_ITS_WAY, Health, ServiceState
from daybreak.timeline.board import Board
from daybreak.timeline.event import Event, Kind
from daybreak.timeline.status import ServiceStatus

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

# Off a terminal, a wait is mentioned when nothing else has been said for this long.
QUIET_S = 5.0
MOVING = ON_ITS_WAY | {ServiceState.BACKING_OFF}
MARKS = {
    **dict.fromkeys(FINE, "✓"),
    **dict.fromkeys(BAD, "✗"),
    ServiceState.UNKNOWN: "?",
}
STYLES = {
    **dict.fromkeys(FINE, "green"),
    **dict.fromkeys(BAD, "red"),
    ServiceState.WAITING: "dim",
}


class PlainProgress:
    """One line per step on a stream."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last = time.monotonic()
        self._width = 12

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        pass

    def message(self, message: dict[str, Any]) -> None:
        """Take one line of the keeper's answer."""
        if "note" in message:
            self._print(str(message["note"]))
        if "event" in message:
            event = Event.from_json(message["event"])
            text = line(event, quiet=time.monotonic() - self._last < QUIET_S)
            if text:
                self._width = max(self._width, len(event.service or ""))  # names that are yet to come are not known
                self._print(f"{event.at_s:7.2f} s  {event.service or '':<{self._width}} {text}")

    def _print(self, text: str) -> None:
        print(harmless(text), file=self._stream, flush=True)
        self._last = time.monotonic()


def line(event: Event, *, quiet: bool = False) -> str | None:
    """One event in words; None for what is not worth a line. `quiet` leaves repeated reasons of waits out."""
    data = event.data
    match event.kind:
        case Kind.STARTING:
            return f"starting ({data.get('why')})"
        case Kind.PREPARING:
            return f"preparing: {data.get('name')}"
        case Kind.GATE_PASSED if data.get("gate") != "ready":
            return f"{data.get('gate')} after {seconds(float(data.get('after_s', 0)))}"
        case Kind.READY:
            return f"ready after {seconds(float(data.get('after_s', 0)))}"
        case Kind.STOPPING:
            return f"stopping ({data.get('why')})"
        case Kind.STOPPED:
            return f"stopped after {seconds(float(data.get('after_s', 0)))}"
        case Kind.UNKNOWN:
            return f"unknown: {data.get('reason')}"
        case Kind.NOT_ENDED:
            return f"not ended: {data.get('reason')}"
        case Kind.FAILED | Kind.EXITED:
            return f"{event.kind}: {data.get('reason')}"
        case Kind.COMPLETED:
            return ServiceState.COMPLETED
        case Kind.BACKING_OFF:
            return f"restarting in {seconds(float(data.get('delay_s', 0)))} (crash {data.get('restarts')})"
        case Kind.HEALTH:
            return f"{data.get('status')} {data.get('reason', '')}".strip()
        case Kind.SERVING if data.get("status") != Health.HEALTHY:
            return f"applications {data.get('status')}: {data.get('reason')}"
        case Kind.ADOPTED:
            return f"adopted (pid {data.get('pid')})"
        case Kind.NOT_YET if not quiet:
            return f"waiting for {data.get('gate')}: {data.get('reason')}"
        case _:
            return None


class LiveProgress:
    """A tree that is redrawn in place: what is waited for, and the latest reason."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.live import Live

        self._board = Board()
        self._began = time.monotonic()
        self._notes: list[str] = []
        self._live: Live = Live(
            console=Console(file=stream), get_renderable=self._render, refresh_per_second=12, transient=False
        )

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._live.__exit__(kind, error, at)

    def message(self, message: dict[str, Any]) -> None:
        """Take one line of the keeper's answer."""
        if "note" in message:
            self._notes.append(str(message["note"]))
        if "event" in message:
            self._board.apply(Event.from_json(message["event"]))

    def _render(self) -> RenderableType:
        from rich.console import Group
        from rich.spinner import Spinner
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        for row in self._board.rows.values():
            moving = row.state in MOVING
            mark = Spinner("dots", style="cyan") if moving else Text(MARKS.get(row.state, "·"), style=_style(row))
            table.add_row(mark, Text(row.name, style="bold"), Text(harmless(describe(row)), style=_style(row)))
        elapsed = Text(f"{time.monotonic() - self._began:.1f} s", style="dim")
        return Group(*(Text(harmless(note), style="yellow") for note in self._notes), table, elapsed)


def describe(row: ServiceStatus) -> str:
    """A row's state in words."""
    if row.state is ServiceState.READY:
        return f"ready after {seconds(row.ready_after_s)}" if row.ready_after_s is not None else "ready"
    passed = f" [{', '.join(row.passed)}]" if row.passed and row.state is ServiceState.STARTING else ""
    return f"{row.state}{passed} {row.reason}".strip()


def _style(row: ServiceStatus) -> str:
    return STYLES.get(row.state, "")


def progress(*, live: bool, stream: TextIO | None = None) -> LiveProgress | PlainProgress:
    """The kind of progress that the stream (stderr) can show."""
    target = stream or sys.stderr
    return LiveProgress(target) if live else PlainProgress(target)
