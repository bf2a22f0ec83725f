"""Connections that ask for nothing take neither the page from others nor files from the keeper."""

from __future__ import annotations

import asyncio
import json
import select
import socket
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from daybreak.show.page import connections
from daybreak.show.page.access import Access
from daybreak.show.page.listen import bind
from daybreak.show.page.server import serve
from daybreak.show.page.source import Address
from daybreak.timeline.event import Kind
from tests.helpers import free_port
from tests.unit.show.page.fake import TOKEN, FakeSource

ROOT = Path(__file__).parents[4]
FILES = 128
SILENT = 400
# A keeper with few files: it serves the page, and for each line that it is sent makes a health check.
KEEPER = """
import asyncio, json, os, pathlib, resource, socket, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[2]),) * 2)
from daybreak.backends.fake import FakeBackend
from daybreak.services.service import HttpCheck, Service, Tier
from daybreak.health.checks import attempt
from daybreak.show.page.access import Access
from daybreak.show.page.listen import bind
from daybreak.show.page.server import serve
from daybreak.show.page.source import Address
from tests.unit.show.page.fake import TOKEN, FakeSource

async def main():
    source = FakeSource(pathlib.Path(sys.argv[1]), "head")
    at = Address("127.0.0.1", int(sys.argv[3]))
    await serve(bind(at), source, source.hub, at, Access(TOKEN, at.port))
    for line in iter(lambda: None, 1):
        if not await asyncio.to_thread(sys.stdin.readline):
            return
        check = HttpCheck(at.url + "healthz")
        verdict = await attempt(check, Service("a", Tier.APP, ("true",), "/"), FakeBackend(), instance="i", timeout_s=9)
        with open("/dev/null"):
            print(json.dumps([type(verdict).__name__, len(os.listdir("/proc/self/fd"))]), flush=True)

asyncio.run(main())
"""


@pytest.fixture(name="port")
def _port() -> int:
    return free_port()


@contextmanager
def keeper(folder: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, "-c", KEEPER, str(folder), str(FILES), str(port)]
    with subprocess.Popen(
        argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        try:
            yield child
        finally:
            child.kill()


def looks(child: subprocess.Popen[str]) -> tuple[str, int]:
    """The verdict of a health check, and how many files the keeper has open."""
    assert child.stdin
    assert child.stdout
    child.stdin.write("\n")
    child.stdin.flush()
    verdict, files = json.loads(child.stdout.readline())
    return verdict, files


def page_answers(port: int) -> bool:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10) as answer:
        return bool(answer.read() == b"ok\n")


def test_hundreds_of_silent_connections_starve_nobody(tmp_path: Path, port: int) -> None:
    with keeper(tmp_path, port) as child, ExitStack() as stack:
        assert looks(child)[0] == "Ready"
        silent = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(SILENT)]
        for _ in range(3):
            verdict, files = looks(child)
            assert (verdict, files < FILES // 2) == ("Ready", True)
            assert page_answers(port)
        closed, _, _ = select.select(silent, [], [], 0)
        assert SILENT - len(closed) <= FILES // connections.SHARE
        child.kill()
        assert child.stderr
        assert child.stderr.read() == ""


@asynccontextmanager
async def page(source: FakeSource, port: int) -> AsyncIterator[None]:
    at = Address("127.0.0.1", port)
    serving = await serve(bind(at), source, source.hub, at, Access(TOKEN, port))
    yield
    await serving.close()


async def asked(port: int, text: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(text)
    return reader, writer


HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.parametrize(
    ("before", "text"),
    [
        (b"", b""),
        (b"", HEAD),
        (b"", b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\ntoken"),
        (HEAD + b"\r\n", HEAD),
    ],
    ids=["nothing", "half a head", "half a body", "half a second head"],
)
def test_a_request_that_is_not_completed_ends_its_connection(
    source: FakeSource, port: int, monkeypatch: pytest.MonkeyPatch, before: bytes, text: bytes
) -> None:
    monkeypatch.setattr("daybreak.show.page.server.KEEP_ALIVE_S", 3600)

    async def story() -> None:
        async with page(source, port), asyncio.timeout(60):
            if not before:
                monkeypatch.setattr(connections, "REQUEST_S", 0.1)
            reader, writer = await asked(port, before)
            if before:
                await reader.readuntil(b"ok\n")
                monkeypatch.setattr(connections, "REQUEST_S", 0.1)
            writer.write(text)
            with pytest.raises(ConnectionResetError):
                while await reader.read(4096):
                    pass
                raise ConnectionResetError  # closed in either way
            writer.close()

    asyncio.run(story())


def test_a_stream_is_no_request_that_takes_long(source: FakeSource, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "REQUEST_S", 1.0)
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 4)

    async def story() -> None:
        async with page(source, port), asyncio.timeout(60):
            reader, writer = await asked(port, HEAD.replace(b"/healthz", b"/api/events") + b"\r\n")
            await reader.readuntil(b"retry")
            for _ in range(20):  # each makes room for itself among the idle ones
                _, more = await asked(port, b"")
                more.close()
            silent, more = await asked(port, b"")
            assert not await silent.read()  # so long has the stream gone on
            more.close()
            source.tell(Kind.NOTE, None, text="still here")
            await reader.readuntil(b"still here")
            writer.close()

    asyncio.run(story())


def test_where_all_are_busy_the_newest_goes(source: FakeSource, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 2)

    async def story() -> None:
        async with page(source, port), asyncio.timeout(60):
            streams = [await asked(port, HEAD.replace(b"/healthz", b"/api/events") + b"\r\n") for _ in range(2)]
            for reader, _ in streams:
                await reader.readuntil(b"retry")
            reader, writer = await asked(port, b"")
            with pytest.raises(ConnectionResetError):
                assert not await reader.read()
                raise ConnectionResetError  # closed in either way
            assert not any(stream.at_eof() for stream, _ in streams)
            for _, one in [*streams, (reader, writer)]:
                one.close()

    asyncio.run(story())


@pytest.mark.parametrize(("files", "most"), [(1024, 256), (128, 32), (1_000_000, 256), (2, 1)])
def test_the_page_takes_a_part_of_the_keepers_files(monkeypatch: pytest.MonkeyPatch, files: int, most: int) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (files, files))
    assert connections.most_connections() == most
