"""The page's server in the keeper: bound at once, imported later, and in one of four states."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from daybreak.machine.ports import owner_of
from daybreak.show.page.listen import bind
from daybreak.show.page.live import Hub
from daybreak.show.page.source import Address, Source

if TYPE_CHECKING:
    from daybreak.show.page.access import Access
    from daybreak.show.page.server import Serving

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Off:
    """Nothing is served."""


@dataclass(frozen=True)
class Failed:
    """It cannot be served there; `reason` is for people."""

    at: Address
    reason: str


@dataclass(frozen=True)
class Opening:
    """It has the port, and does not answer yet: its imports take a while."""

    at: Address


@dataclass(frozen=True)
class Listening:
    """It answers."""

    at: Address
    serving: Serving
    access: Access


class PageServer:
    """Serves the page of `source` at one address at a time. Open pages follow `hub`, another one after each end."""

    def __init__(self, source: Source) -> None:
        self.state: Off | Failed | Opening | Listening = Off()
        self.hub = Hub()
        self._source = source

    @property
    def port(self) -> int | None:
        """The port that it has."""
        return self.state.at.port if isinstance(self.state, Opening | Listening) else None

    async def open(self, at: Address, token: str, scrape_token: str) -> bool:
        """Begin to serve. What goes wrong becomes the state, and fails nothing else."""
        before = self.state
        try:
            await self._open(at, token, scrape_token)
        except OSError as error:
            owner = owner_of(at.port, at.listen)
            self.state = Failed(at, f"port {at.port} is in use by {owner}" if owner else str(error.strerror or error))
        except Exception as error:
            log.exception("the page cannot be served")
            self.state = Failed(at, f"{type(error).__name__}: {error}")
        if isinstance(self.state, Failed) and self.state != before:
            log.warning("the page is not served: %s", self.state.reason)
        return isinstance(self.state, Listening)

    async def _open(self, at: Address, token: str, scrape_token: str) -> None:
        began = time.monotonic()
        # First of all: Prometheus starts at this moment, too, and asks for its targets at once.
        listening = bind(at)
        self.state = Opening(at)
        try:
            # In a thread, so that the keeper goes on listening to what it has started meanwhile.
            await asyncio.to_thread(_import)
            from daybreak.show.page.access import Access
            from daybreak.show.page.server import serve

            access = Access(token, at.port, scrape_token)
            self.state = Listening(at, await serve(listening, self._source, self.hub, at, access), access)
        except BaseException:
            listening.close()
            self.state = Off()
            raise
        log.info("the page answers at %s, %.0f ms after it was asked for", at.url, 1000 * (time.monotonic() - began))

    async def close(self) -> None:
        """End it; open pages are told. Why it failed before is known until it is served."""
        if isinstance(self.state, Listening):
            serving, self.state = self.state.serving, Off()
            await serving.close()
            self.hub = Hub()

    def leave(self) -> None:
        """End it at once."""
        if isinstance(self.state, Listening):
            self.state.serving.leave()
        self.state = Off()


def _import() -> None:
    import daybreak.show.page.server  # noqa: F401
