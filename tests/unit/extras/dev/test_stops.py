"""A `breakpoint()` in the cluster: from the program that stops to the terminal of `dev`, and on."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daybreak import api
from daybreak.cli.dev.prompt import converse
from daybreak.extras.dev import stops
from daybreak.extras.dev.attaching import Attaching, launch
from daybreak.extras.dev.stops import Debuggable, Stop
from tests.helpers import DEADLINE_S, serving, until

PROGRAM = """
from daybreak.programs.warm import breakpoints
breakpoints.prepare()
def work(x):
    breakpoint()
    y = x * 2
    return y
print("done", work(20) + 2, work(0))
"""


@pytest.fixture
def at() -> Iterator[Path]:
    """Where `dev` listens: paths of sockets are short."""
    with tempfile.TemporaryDirectory(prefix="dbs", dir="/tmp") as folder:
        yield Path(folder) / "dev.sock"


@contextlib.contextmanager
def followed(at: Path) -> Iterator[list[Stop | Debuggable]]:
    told: list[Stop | Debuggable] = []
    stop = threading.Event()
    listening = stops.listen(at)
    assert listening
    thread = threading.Thread(target=stops.follow, args=(listening, told.append, stop))
    thread.start()
    try:
        yield told
    finally:
        stop.set()
        thread.join()


@contextlib.contextmanager
def program(at: Path, text: str = PROGRAM) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, stops.SOCKET: str(at)}
    process = subprocess.Popen([sys.executable, "-c", text], env=environment, stdout=subprocess.PIPE, text=True)
    with process:
        try:
            yield process
        finally:
            process.kill()


def prompt(connection: socket.socket, *, of: str = "(Pdb) ") -> str:
    """What is written until the next prompt."""
    text = ""
    connection.settimeout(DEADLINE_S)
    while not text.endswith(of):
        piece = connection.recv(4096).decode()
        assert piece, text
        text += piece
    return text


def stopped(told: list[Stop | Debuggable], number: int) -> Stop:
    found = until(lambda: told[number:], what="it stops")[0]
    assert isinstance(found, Stop)
    return found


def test_whoever_stops_is_talked_to_and_goes_on(at: Path) -> None:
    with followed(at) as told, program(at) as process:
        first = stopped(told, 0)
        assert first.place == "<string>:5"
        prompt(first.connection)
        first.connection.sendall(b"p x\n")
        assert prompt(first.connection).startswith("20\n")
        first.connection.sendall(b"c\n")
        assert first.connection.recv(4096) == b""
        second = stopped(told, 1)
        # A terminal that goes away lets it go on.
        second.connection.close()
        assert process.communicate(timeout=DEADLINE_S)[0].splitlines()[-1] == "done 42 0"
        first.connection.close()


def test_leaving_the_prompt_does_not_end_the_program(at: Path) -> None:
    with followed(at) as told, program(at) as process:
        for number in range(2):
            found = stopped(told, number)
            prompt(found.connection)
            found.connection.sendall(b"q\n")
            assert found.connection.recv(1) == b""
            found.connection.close()
        assert process.communicate(timeout=DEADLINE_S)[0].splitlines()[-1] == "done 42 0"
        assert process.returncode == 0


def test_where_nobody_listens_it_goes_on_and_says_so(at: Path) -> None:
    with program(at) as process:
        written = process.communicate(timeout=DEADLINE_S)[0]
    assert "breakpoint() at <string>:5 is passed: no terminal of `daybreak dev`" in written
    assert written.splitlines()[-1] == "done 42 0"


def test_this_account_alone_reaches_the_prompt_and_one_dev_has_it(at: Path) -> None:
    at.touch()  # what an earlier one has left
    with followed(at):
        assert stat.S_IMODE(at.stat().st_mode) == 0o600
        assert stops.listen(at) is None


def test_what_says_nothing_known_is_no_stop(at: Path) -> None:
    with followed(at) as told:
        for line in (b"", b"hello\n", b"[]\n", b'{"kind": "breakpoint"}\n'):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(at))
                connection.sendall(line)
                connection.shutdown(socket.SHUT_WR)
                assert connection.recv(1) == b""
        assert told == []


def test_the_terminal_hands_over_lines_and_nothing_that_would_move_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed, terminal = os.pipe()
    ours, theirs = socket.socketpair()
    with os.fdopen(typed) as stdin, os.fdopen(terminal, "w") as keys, theirs:
        monkeypatch.setattr("sys.stdin", stdin)
        thread = threading.Thread(target=converse, args=(ours, threading.Event()))
        thread.start()
        theirs.sendall(b"value \x1b[2J\xe2\x80\x8b> ")
        keys.write("p x\n")
        keys.flush()
        assert theirs.recv(100) == b"p x\n"
        keys.close()
        assert theirs.recv(100) == b""
        theirs.shutdown(socket.SHUT_WR)
        thread.join()
    assert "\x1b" not in capsys.readouterr().out


def test_nodes_are_told_where_and_containers_are_not(at: Path, tmp_path: Path) -> None:
    (tmp_path / "daybreak.yaml").write_text("name: shop\nhead: {env: {MINE: '1'}}\n")
    loaded = api.load(str(tmp_path / "daybreak.yaml"))
    told = stops.with_stops(loaded, at, debug=True).spec
    assert told.head.env == {"MINE": "1", stops.SOCKET: str(at), stops.DEBUG: "1"}
    assert told.workers.env == {stops.SOCKET: str(at), stops.DEBUG: "1"}
    inside = replace(loaded, spec=loaded.spec.model_copy(update={"backend": "docker"}))
    assert stops.with_stops(inside, at, debug=True) is inside


async def _echo(reader: Any, writer: Any) -> None:
    writer.write(await reader.readexactly(5))
    await writer.drain()


def test_a_debugger_finds_the_newest_replica_at_one_port() -> None:
    import asyncio

    async def story() -> None:
        attaching = Attaching()
        thread = threading.Thread(target=attaching.run)
        thread.start()
        try:
            async with serving(_echo) as newest:
                port, is_new = attaching.port_of("App", 1)
                assert is_new
                assert attaching.port_of("App", newest) == (port, False)
                assert attaching.port_of("Other", newest)[0] != port
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"hello")
                assert await reader.readexactly(5) == b"hello"
                writer.close()
                assert f'"port": {port}' in launch("App", port)
        finally:
            attaching.close()
            await asyncio.to_thread(thread.join)

    asyncio.run(story())


REPLICA = """
class ReplicaActor:
    async def __init__(self, replica_id, other):
        self.began = replica_id
"""
DEBUGGED = """
import asyncio, sys, types
sys.path.insert(0, sys.argv[1])
debugpy = sys.modules["debugpy"] = types.ModuleType("debugpy")
debugpy.configure = lambda **given: None
debugpy.listen = lambda at: (at[0], 4711)
from daybreak.programs.warm import breakpoints
breakpoints.prepare()
from ray.serve._private.replica import ReplicaActor
identity = types.SimpleNamespace(deployment_id=types.SimpleNamespace(name="App"))
made = ReplicaActor.__new__(ReplicaActor)
assert asyncio.iscoroutinefunction(ReplicaActor.__init__)
asyncio.run(made.__init__(identity, other=1))
print("began", made.began is identity)
"""


def test_a_replica_lets_a_debugger_in_before_it_begins(at: Path, tmp_path: Path) -> None:
    place = tmp_path / "ray" / "serve" / "_private"
    place.mkdir(parents=True)
    for folder in (place, *place.parents[:2]):
        (folder / "__init__.py").touch()
    (place / "replica.py").write_text(REPLICA)
    environment = {**os.environ, stops.SOCKET: str(at), stops.DEBUG: "1"}
    words = [sys.executable, "-c", DEBUGGED, str(tmp_path)]
    with followed(at) as told:
        done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
        until(lambda: told, what="it is told")
    assert (done.stdout, done.stderr) == ("began True\n", "")
    assert told == [Debuggable("App", 4711)]
