"""The end of an asyncio server at which no connection that is just coming is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

# Of the loop, from a connection that was accepted to the first step of what answers it: the transport is made, the
# protocol hears of it, and its task begins.
ROUNDS = 4


async def stop_accepting(servers: Iterable[asyncio.Server]) -> None:
    """Nobody is accepted any more, and who was accepted before is known to whoever answers. Close the servers then.

    asyncio's server that is closed forgets what it is accepting at that moment: a socket that nobody closes, and a
    client that waits until Python collects it.
    """
    loop = asyncio.get_running_loop()
    for server in servers:
        for listening in server.sockets:
            loop.remove_reader(listening.fileno())
    for _ in range(ROUNDS):
        await asyncio.sleep(0)
