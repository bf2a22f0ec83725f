"""The control socket is there as long as the keeper is, whoever deletes it."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from pathlib import Path
from typing import Any

import pytest

from daybreak.keeper.control import control_socket as control
from daybreak.keeper.control.control_socket import Client, ControlServer


class Echo:
    """An operation that answers with its request."""

    def __init__(self, request: dict[str, Any], client: Client) -> None:
        self.request = request

    async def answer(self) -> Any:
        return self.request["op"]

    def cancel(self) -> None: ...

    def abandon(self) -> None: ...


async def ask(path: Path) -> bytes:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b'{"op": "status"}\n')
    await reader.readline()
    answer = await reader.readline()
    writer.close()
    return answer


@pytest.mark.parametrize("what", ["socket", "folder", "another's"])
def test_a_socket_that_was_deleted_is_made_anew(tmp_path: Path, what: str) -> None:
    path = tmp_path / "run" / "keeper.sock"
    path.parent.mkdir()

    async def story() -> None:
        server = ControlServer(path, Echo, lambda: None)
        await server.start()
        first = path.stat().st_ino
        await server.look()
        assert path.stat().st_ino == first
        if what == "folder":
            shutil.rmtree(path.parent)
        else:
            path.unlink()
        if what == "another's":
            path.touch()
        await server.look()
        assert await ask(path) == b'{"result": "status"}\n'
        await server.close()
        assert not path.exists()

    asyncio.run(story())


def test_a_client_that_does_not_read_is_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that was stopped with Ctrl-Z: it gets only so much, and costs no more."""
    monkeypatch.setattr(control, "MOST_UNREAD_BYTES", 100_000)

    class Flood(Echo):
        def __init__(self, request: dict[str, Any], client: Client) -> None:
            super().__init__(request, client)
            sent = 0
            while not client.gone and sent < 10_000:
                client.send({"note": "x" * 1000})
                sent += 1
            self.sent = sent
            flooded.append(self)

    flooded: list[Flood] = []

    async def story() -> None:
        server = ControlServer(tmp_path / "keeper.sock", Flood, lambda: None)
        await server.start()
        reader, writer = await asyncio.open_unix_connection(tmp_path / "keeper.sock", limit=1)
        writer.write(b'{"op": "watch"}\n')
        with contextlib.suppress(ConnectionError):
            while await reader.read(65536):
                pass
        writer.close()
        await server.close()

    asyncio.run(asyncio.wait_for(story(), 30))
    (flood,) = flooded
    assert flood.sent < 5000
