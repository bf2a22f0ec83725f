"""A page on a real port, over a cluster that exists in a test's words only."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from daybreak.show.page.access import Access
from daybreak.show.page.listen import bind
from daybreak.show.page.live import Hub
from daybreak.show.page.server import Serving, serve
from daybreak.show.page.source import Address
from tests.helpers import free_port
from tests.unit.show.page.fake import TOKEN, FakeSource

T = TypeVar("T")
DEADLINE_S = 60.0


class World:
    """The keeper's part: an event loop in a thread, with a source and its page."""

    def __init__(self, folder: Path, *services: str) -> None:
        self.site = Address("127.0.0.1", free_port())
        self.url = self.site.url
        self._folder = folder
        self._services = services
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="keeper")
        self._serving: Serving | None = None

    def __enter__(self) -> World:
        self._thread.start()
        self._await(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self._await(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def do(self, what: Callable[[FakeSource], T]) -> T:
        """Let something happen, in the keeper's thread."""

        async def happen() -> T:
            return what(self.source)

        return asyncio.run_coroutine_threadsafe(happen(), self._loop).result(DEADLINE_S)

    def interrupt(self) -> None:
        """The page goes away, as with its keeper."""
        self._await(self._close())

    def resume(self) -> None:
        """It is back, on the same port."""
        self._await(self._open())

    async def _open(self) -> None:
        if not hasattr(self, "source"):
            self.source = FakeSource(self._folder, *self._services)
        self.access = Access(TOKEN, self.site.port)
        self._serving = await serve(bind(self.site), self.source, self.source.hub, self.site, self.access)

    async def _close(self) -> None:
        if self._serving:
            await self._serving.close()
            self._serving = None
            self.source.hub = Hub()

    def _await(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(DEADLINE_S)
