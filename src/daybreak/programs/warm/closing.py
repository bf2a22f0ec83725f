"""WebSockets end with a close frame before their process does: 1012, come again.

uvicorn closes them when it is asked to stop, but Ray ends its processes without asking it. So it looks for a file,
which the keeper touches when a generation is about to end. What it looks from is its own tick, ten times a second;
nothing stands in the way of a message.
"""

import asyncio
import contextlib
import os
import sys
from typing import Any, Dict, Set

from . import modules

# The file's path.
VARIABLE = "DAYBREAK_CLOSING"
SERVER = "uvicorn.server"
WEBSOCKETS = "uvicorn.protocols.websockets."
CLOSE = {"type": "websocket.close", "code": 1012, "reason": "the service restarts"}


def prepare(program: Dict[str, Any]) -> None:
    """In a fork, before the program begins: Serve's servers are in workers."""
    path = os.environ.get(VARIABLE)
    server = getattr(sys.modules.get(SERVER), "Server", None)
    if path and hasattr(server, "on_tick") and program["what"].endswith(modules.WORKER):
        look_for(path, server)


def look_for(path: str, server: Any) -> None:
    """From now on every server of this class closes its WebSockets each time that the file is touched."""
    tick = server.on_tick
    # What an earlier generation was told in the same place is there already. No clock is asked: one can be set back.
    before = _touched(path)
    told: Dict[int, int] = {}
    closing: Set[Any] = set()

    async def on_tick(self: Any, counter: int) -> Any:
        with contextlib.suppress(Exception):  # they are cut off, then
            touched = _touched(path)
            if touched and touched != told.get(id(self), before):
                told[id(self)] = touched
                for connection in list(self.server_state.connections):
                    if type(connection).__module__.startswith(WEBSOCKETS):
                        task = asyncio.ensure_future(_close(connection))
                        closing.add(task)
                        task.add_done_callback(closing.discard)
        return await tick(self, counter)

    server.on_tick = on_tick


def _touched(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


async def _close(connection: Any) -> None:
    """As an application does: what the client has sent meanwhile is read, and its answer is waited for."""
    with contextlib.suppress(Exception):
        # That of uvicorn's older servers has another name, and `send` is none of ASGI's.
        await (getattr(connection, "asgi_send", None) or connection.send)(dict(CLOSE))
