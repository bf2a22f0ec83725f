"""Questions to the engine from a loop: each blocks a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from daybreak.docker.api import EngineClient
from daybreak.docker.connect import connect

# A whole cluster starts and stops at once.
THREADS = 32
T = TypeVar("T")


class Calls:
    """One way to the engine, made at the first need."""

    def __init__(self) -> None:
        self._connecting = threading.Lock()
        self._connected: EngineClient | None = None
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="docker")

    @property
    def were_made(self) -> bool:
        """Whether the engine was ever asked for anything."""
        return self._connected is not None

    def client(self) -> EngineClient:
        """The engine's client. Blocks. Raises EngineError where the engine cannot be reached."""
        with self._connecting:
            if self._connected is None:
                self._connected = connect()
            return self._connected

    async def ask(self, function: Callable[..., T], *args: Any) -> T:
        """Call a function that blocks with the client."""
        return await self.in_thread(lambda: function(self.client(), *args))

    async def in_thread(self, function: Callable[..., T], *args: Any) -> T:
        """Call a function that blocks."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *args)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._connected is not None:
            self._connected.close()
