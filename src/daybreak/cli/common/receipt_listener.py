"""What the keeper tells of the run that a command waits for, beside its result."""

from __future__ import annotations

from typing import Any

from daybreak.api import OnMessage
from daybreak.show.receipt import receipt_line
from daybreak.timeline.event import Event, Kind
from daybreak.timeline.receipt import Receipt
from daybreak.timeline.run import what


class ReceiptListener:
    """Remembers how the last run that was counted ended."""

    def __init__(self) -> None:
        self.line: str | None = None
        self._what = ""

    def beside(self, on_message: OnMessage) -> OnMessage:
        """Listens as well."""

        def both(message: dict[str, Any]) -> None:
            on_message(message)
            if "event" in message:
                self._take(Event.from_json(message["event"]))

        return both

    def _take(self, event: Event) -> None:
        data = event.data
        if event.kind is Kind.RUN_BEGAN:
            self._what = what(str(data.get("run_kind")), data.get("way"))
        elif event.kind is Kind.RUN_ENDED and data.get("receipt"):
            self.line = receipt_line(self._what, data.get("duration_s"), Receipt.from_json(data["receipt"]))
