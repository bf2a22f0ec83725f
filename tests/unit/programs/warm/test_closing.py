"""WebSockets that are open when their generation ends get a close frame, from uvicorn itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.helpers import eventually

from daybreak.programs.warm import closing, modules

uvicorn = pytest.importorskip("uvicorn")
websockets = pytest.importorskip("websockets")


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers messages, and a GET."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"3")]})
        await send({"type": "http.response.body", "body": b"ok\n"})
        return
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


@contextlib.asynccontextmanager
async def served(kind: Any) -> AsyncIterator[int]:
    """The port of a server of this class."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        config = uvicorn.Config(echo, lifespan="off", log_level="critical", ws="auto")
        server = kind(config)
        server.capture_signals = contextlib.nullcontext
        serving = asyncio.create_task(server.serve(sockets=[door]))
        try:
            await eventually(lambda: server.started)
            yield door.getsockname()[1]
        finally:
            server.should_exit = True
            await serving


def fresh() -> Any:
    """A class of uvicorn's servers for one test alone."""
    return type("Server", (uvicorn.Server,), {})


async def code_of(port: int, opened: asyncio.Event, *, says: bool) -> int | None:
    """With which code a chat is closed; None where it is cut off. One that `says` something does so all the time."""
    async with websockets.connect(f"ws://127.0.0.1:{port}", proxy=None) as chat:
        await chat.send("hello")
        assert await chat.recv() == "hello"
        opened.set()
        try:
            while True:
                if says:
                    await chat.send("hello")
                await chat.recv()
        except websockets.ConnectionClosed as error:
            return error.rcvd and int(error.rcvd.code)


def touch(file: Path, ago_s: float = 0.0) -> None:
    file.touch()
    at = time.time() - ago_s
    os.utime(file, (at, at))


def test_a_chat_is_closed_when_the_file_is_touched_and_requests_and_later_chats_go_on(tmp_path: Path) -> None:
    file, kind = tmp_path / "closing", fresh()
    touch(file, ago_s=60)  # what an earlier generation was told
    closing.look_for(str(file), kind)

    async def chats(port: int, ago_s: float = 0.0) -> list[int | None]:
        running = []
        for says in (True, False):
            opened = asyncio.Event()
            running.append(asyncio.create_task(code_of(port, opened, says=says)))
            await opened.wait()
        assert not any(chat.done() for chat in running)
        touch(file, ago_s)
        return await asyncio.gather(*running)

    async def story() -> None:
        async with served(kind) as port:
            assert await chats(port) == [1012, 1012]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert (await reader.read()).endswith(b"ok\n")
            writer.close()
            # One that was kept for a way back serves again, and ends some time: when a clock has been set back, too.
            assert await chats(port, ago_s=3600) == [1012, 1012]

    asyncio.run(asyncio.wait_for(story(), 60))


def test_only_workers_that_are_told_where_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    monkeypatch.setattr(closing, "look_for", lambda path, _: looked.append(path))
    worker = {"what": f"/ray{modules.WORKER}"}
    monkeypatch.delenv(closing.VARIABLE, raising=False)
    closing.prepare(worker)
    monkeypatch.setenv(closing.VARIABLE, str(tmp_path / "closing"))
    closing.prepare({"what": "/ray/dashboard/agent.py"})
    assert looked == []
    closing.prepare(worker)
    assert looked == [str(tmp_path / "closing")]
    monkeypatch.setitem(sys.modules, closing.SERVER, None)
    closing.prepare(worker)
    assert len(looked) == 1
