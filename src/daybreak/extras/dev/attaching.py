"""One address for the debugger of each deployment, that stays: replicas come and go, and listen where there is room.

Whoever connects is handed over to the newest replica. Its end ends the connection, and editors that are told to
(`"restart": true`) connect again: to its successor.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading

from daybreak.accepting import stop_accepting
from daybreak.extras.dev.browser import exchange
from daybreak.extras.dev.browser.door import LOOPBACK, bind

# What editors propose.
FIRST_PORT = 5678


class Attaching:
    """Runs in a thread of its own, from `run` to `close`."""

    def __init__(self) -> None:
        self._newest: dict[str, int] = {}
        self._listening: dict[str, socket.socket] = {}
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._servers: list[asyncio.Server] = []
        self._ended = threading.Event()

    def run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._until_over())
        finally:
            for listening in self._listening.values():
                listening.close()

    def close(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._over.set)

    def port_of(self, who: str, replica: int) -> tuple[int, bool]:
        """The port for a deployment, whose newest replica listens at `replica`; and whether it is a new one."""
        self._newest[who] = replica
        is_new = who not in self._listening
        if is_new:
            self._listening[who] = bind(FIRST_PORT + len(self._listening))
            asyncio.run_coroutine_threadsafe(self._serve(who), self._loop)
        return int(self._listening[who].getsockname()[1]), is_new

    async def _until_over(self) -> None:
        await self._over.wait()
        await stop_accepting(self._servers)

    async def _serve(self, who: str) -> None:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError, TimeoutError, asyncio.CancelledError):
                async with exchange.connected(f"tcp://{LOOPBACK}:{self._newest[who]}") as (theirs, to_them):
                    await exchange.first(exchange.pump(reader, to_them), exchange.pump(theirs, writer))
            await exchange.closed(writer)

        self._servers.append(await asyncio.start_server(connected, sock=self._listening[who]))


def launch(who: str, port: int) -> str:
    """What goes into `configurations` of `.vscode/launch.json`; other editors have the same under other names."""
    connect = {"host": LOOPBACK, "port": port}
    told = {"name": f"daybreak {who}", "type": "debugpy", "request": "attach", "connect": connect, "restart": True}
    return json.dumps({**told, "justMyCode": False})
