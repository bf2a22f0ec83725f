"""A server that ends while somebody connects."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket

import pytest

from daybreak.accepting import ROUNDS, stop_accepting


@pytest.mark.parametrize("rounds", range(ROUNDS + 2))
def test_who_connects_while_a_server_ends_is_answered_or_refused_and_no_socket_is_left(rounds: int) -> None:
    """After so many rounds of the loop it ends. A socket that nobody closes fails the test when it is collected."""
    begun: list[asyncio.StreamWriter] = []

    async def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        begun.append(writer)

    async def story(client: socket.socket, listening: socket.socket) -> None:
        server = await asyncio.start_server(connected, sock=listening)
        client.connect(listening.getsockname())
        for _ in range(rounds):
            await asyncio.sleep(0)
        await stop_accepting([server])
        server.close()
        for writer in begun:
            writer.close()
            await writer.wait_closed()

    with socket.socket() as client, socket.create_server(("127.0.0.1", 0)) as listening:
        asyncio.run(story(client, listening))
        gc.collect()
        client.settimeout(60.0)
        with contextlib.suppress(ConnectionResetError):  # it was never accepted
            assert client.recv(1) == b""
