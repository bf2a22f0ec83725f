"""Messages on their way to one destination: in order, tried again, and never more than a few."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from daybreak.keeper.alerting.alert import Message
from daybreak.keeper.alerting.destinations import Destination, Sent
from daybreak.keeper.background import Background
from daybreak.timeline.event import Kind
from daybreak.timeline.recorder import Recorder

# Between attempts (seconds); the last one again and again.
PAUSES_S = (1.0, 2.0, 5.0, 15.0, 30.0, 60.0)
# What nobody has taken for so long is given up.
GIVE_UP_S = 3600.0
# The oldest make room.
MOST_WAITING = 100
log = logging.getLogger(__name__)


class Outbox:
    """One destination's. `destination` tells it as it is now, None where there is none any more; `on_change` is told
    whenever something has left."""

    def __init__(
        self,
        name: str,
        background: Background,
        record: Recorder,
        destination: Callable[[], Destination | None],
        on_change: Callable[[], None],
    ) -> None:
        self._name = name
        self._background = background
        self._record = record
        self._destination = destination
        self._on_change = on_change
        self._waiting: deque[Message] = deque()
        self._sending: asyncio.Task[None] | None = None
        self.trouble = ""

    @property
    def waiting(self) -> list[Message]:
        return list(self._waiting)

    def add(self, messages: Iterable[Message]) -> None:
        """Send these as well, after those that wait."""
        self._waiting.extend(messages)
        while len(self._waiting) > MOST_WAITING:
            self._give_up(self._waiting.popleft(), f"more than {MOST_WAITING} wait")
        if self._waiting and (self._sending is None or self._sending.done()):
            self._sending = self._background.keep(f"sending alerts to the {self._name}", self._send)

    async def _send(self) -> None:
        while self._waiting:
            message = self._waiting[0]
            await self._deliver(message)
            if self._waiting and self._waiting[0] is message:  # it may have made room meanwhile
                self._waiting.popleft()
            self._on_change()

    async def _deliver(self, message: Message) -> None:
        """Until it has arrived, or will never."""
        loop, tries = asyncio.get_running_loop(), 0
        began = loop.time()
        while destination := self._destination():
            sent = await attempt(destination, message)
            if not sent.reason:
                self._arrived(destination)
                return
            self._failed(destination, sent)
            if not sent.again or loop.time() - began > GIVE_UP_S:
                self._give_up(message, sent.reason)
                return
            await asyncio.sleep(PAUSES_S[min(tries, len(PAUSES_S) - 1)])
            tries += 1
        log.info("the spec has no %s for alerts any more: %s", self._name, message["text"])

    def _arrived(self, destination: Destination) -> None:
        if self.trouble:
            self._tell(f"alerts reach {destination.told} again", "info")
        self.trouble = ""

    def _failed(self, destination: Destination, sent: Sent) -> None:
        """In the log every time, elsewhere once for as long as it lasts."""
        told = f"alerts do not reach {destination.told}: {sent.reason}"
        log.warning("%s", told)
        if not self.trouble:
            self._tell(told, "error")
        self.trouble = told

    def _give_up(self, message: Message, why: str) -> None:
        self._tell(f"an alert has not reached the {self._name} ({why}): {message['text']}", "error")

    def _tell(self, text: str, level: str) -> None:
        self._record.emit(Kind.NOTE, text=text, level=level)

    def to_json(self) -> dict[str, Any]:
        destination = self._destination()
        told = destination.told if destination else self._name
        return {"to": told, "waiting": len(self._waiting), "trouble": self.trouble}


async def attempt(destination: Destination, message: Message) -> Sent:
    """One attempt, whatever comes of it."""
    try:
        return await destination.send(message)
    except OSError as error:  # the keeper itself lacks something
        return Sent(f"no process can be started: {error.strerror or error}")
