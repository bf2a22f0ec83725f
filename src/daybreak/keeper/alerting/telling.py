"""Whom messages go to, and those that are on their way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from daybreak.keeper.alerting.alert import Message
from daybreak.keeper.alerting.destinations import COMMAND, WEBHOOK, Destination
from daybreak.keeper.alerting.outbox import Outbox, attempt
from daybreak.keeper.background import Background
from daybreak.timeline.recorder import Recorder

# So long a keeper that is about to leave goes on trying.
LINGER_S = 15.0


class Telling:
    """One cluster's. `destinations` says whom there is to tell now, by name; `on_change` is told whenever something has
    left; `kept` is what an earlier keeper has not got rid of, which is sent from `begin` on. `on_quiet` is told when
    nothing is left."""

    def __init__(
        self,
        background: Background,
        record: Recorder,
        destinations: Callable[[], Mapping[str, Destination]],
        on_change: Callable[[], None],
        kept: Mapping[str, Sequence[Message]],
    ) -> None:
        self.destinations = destinations
        self._on_change = on_change
        self._kept = dict(kept)
        self._leaves_at: float | None = None
        self.on_quiet: Callable[[], None] = lambda: None
        self._outboxes = {
            name: Outbox(name, background, record, partial(self._destination, name), self._changed)
            for name in (WEBHOOK, COMMAND)
        }

    def begin(self) -> None:
        """It is known now whom to tell."""
        self._leaves_at = None
        kept, self._kept = self._kept, {}
        for name, outbox in self._outboxes.items():
            outbox.add(kept.get(name, ()))

    def tell(self, message: Message) -> None:
        """Send it to everybody."""
        for name in self.destinations():
            self._outboxes[name].add([message])

    def end(self) -> None:
        """The keeper may leave soon; what has not arrived by then is for the next one."""
        if any(self.waiting.values()):
            loop = asyncio.get_running_loop()
            self._leaves_at = loop.time() + LINGER_S
            loop.call_later(LINGER_S, self.on_quiet)

    @property
    def waiting(self) -> dict[str, list[Message]]:
        """What has not arrived, by destination."""
        return {name: [*self._kept.get(name, ()), *outbox.waiting] for name, outbox in self._outboxes.items()}

    @property
    def busy(self) -> bool:
        """Is it worth waiting for?"""
        if self._leaves_at is not None and asyncio.get_running_loop().time() >= self._leaves_at:
            return False
        return any(outbox.waiting for outbox in self._outboxes.values())

    async def try_once(self, message: Message) -> list[dict[str, Any]]:
        """Send it to everybody at once, and say what became of it: `to`, `arrived`, `reason`, `took_s`."""
        return list(await asyncio.gather(*(_tried(one, message) for one in self.destinations().values())))

    def to_json(self) -> list[dict[str, Any]]:
        """Each destination: `to`, how many are `waiting`, and its `trouble`."""
        return [self._outboxes[name].to_json() for name in self.destinations()]

    def _destination(self, name: str) -> Destination | None:
        return self.destinations().get(name)

    def _changed(self) -> None:
        self._on_change()
        if not self.busy:
            self.on_quiet()


async def _tried(destination: Destination, message: Message) -> dict[str, Any]:
    began = time.monotonic()
    sent = await attempt(destination, message)
    took_s = round(time.monotonic() - began, 3)
    return {"to": destination.told, "arrived": not sent.reason, "reason": sent.reason, "took_s": took_s}
