"""What was begun behind the gateway comes to its end before what answers it does: requests in their time, WebSockets,
which may never end by themselves, by a close frame that says to come again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from daybreak.files import write_private
from daybreak.keeper.gateway.runtime_socket import InFlight, command, in_flight
from daybreak.names import SERVE
from daybreak.services.build import Cluster
from daybreak.services.edge import repeating
from daybreak.services.edge.gateway import runtime_socket
from daybreak.services.edge.haproxy_config import GRPC, ONCE, WEBSOCKETS
from daybreak.services.ray import closing
from daybreak.services.slots import Slot

LOOK_S = 0.02
# So long WebSockets may go on where others answer already: what was being said comes to its end.
SOON_S = 2.0
# They are closed within some tenths of a second; where a processor is busy it may take longer.
CLOSED_S = 2.0


async def drained(socket: str, deadline_s: float, slot: Slot | None = None) -> InFlight:
    """Wait until no request is being answered, and of one slot no WebSocket is open either; returns what still goes on
    when the deadline is over. Raises GatewaySilent."""
    loop = asyncio.get_running_loop()
    end = loop.time() + deadline_s
    while (
        (left := await in_flight(socket, slot or "BACKEND")).requests or (slot and left.websockets)
    ) and loop.time() < end:
        await asyncio.sleep(LOOK_S)
    return left


async def let_end(cluster: Cluster, slot: Slot) -> tuple[InFlight, int]:
    """Wait for what was begun in a slot that is asked no more; returns what still goes on when `gateway.drain` is over,
    and how many WebSockets were closed. Raises GatewaySilent."""
    socket, drain_s = runtime_socket(cluster.site), cluster.spec.gateway.drain
    soon_s = min(SOON_S, drain_s)
    left, closed = await drained(socket, soon_s, slot), 0
    if left.websockets:
        closed = await close_websockets(cluster, slot)
    if left.requests or left.websockets:
        left = await drained(socket, drain_s - soon_s, slot)
    return left, closed


async def close_websockets(cluster: Cluster, slot: Slot | None = None) -> int:
    """Have who answers WebSockets close them, in that slot where one is named; returns how many have been closed within
    `CLOSED_S`. Raises GatewaySilent."""
    spec, site, loop = cluster.spec, cluster.site, asyncio.get_running_loop()
    socket, server = runtime_socket(site), slot or "BACKEND"
    told = closing.files(spec, replace(site, slot=slot) if slot else site)
    before = left = (await in_flight(socket, server)).websockets
    if not told:
        return 0
    await asyncio.to_thread(_touch, told)
    end = loop.time() + CLOSED_S
    while left and loop.time() < end:
        await asyncio.sleep(LOOK_S)
        left = (await in_flight(socket, server)).websockets
    return max(before - left, 0)


def _touch(files: Iterable[str]) -> None:
    """Who cannot be told is cut off."""
    for file in files:
        with contextlib.suppress(OSError):
            write_private(Path(file), "")


async def cut_off(socket: str, slot: Slot) -> None:
    """Close what is still open to the applications in a slot. Raises GatewaySilent."""
    servers = [f"{backend}/{slot}" for backend in (SERVE, ONCE, WEBSOCKETS, GRPC, repeating.backend(slot))]
    for server in (*servers, f"{repeating.backend(slot.other)}/{repeating.instead_of(slot.other)}"):
        await command(socket, f"shutdown sessions server {server}")
