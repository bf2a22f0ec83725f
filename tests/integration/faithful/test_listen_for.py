"""A program that starts when somebody comes to its door: an agent of Ray's, here a small one with the same address."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from daybreak.programs.warm import listen_for
from tests.helpers import free_port
from tests.integration.faithful.template import CLEAN, DEADLINE_S, Template, gone, template, until

AGENT = """
import os, socket, sys
flags = dict(word.partition("=")[::2] for word in sys.argv[1:])
door = socket.socket()
door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
door.bind((flags["--node-ip-address"], int(flags["--runtime-env-agent-port"])))
door.listen(8)
other = socket.create_server(("127.0.0.1", 0))
while True:
    connection, _ = door.accept()
    said = connection.recv(100)
    connection.sendall(said + b" %d %d" % (os.getppid(), other.getsockname()[1] != door.getsockname()[1]))
    connection.close()
"""


@pytest.fixture
def own() -> Iterator[Template]:
    with template() as made:
        yield made


@pytest.fixture
def port() -> int:
    return free_port()


def agent(own: Template, port: int, allowed: str = "1") -> subprocess.Popen[bytes]:
    """Start the launcher of an agent."""
    file = Path(f"{own.home}{listen_for.PROGRAM}")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(AGENT)
    flags = (f"{listen_for.HOST}=127.0.0.1", f"{listen_for.PORT}={port}")
    return own.popen(str(file), *flags, env=CLEAN | {listen_for.ALLOWED.decode(): allowed})


def wait_for_door(own: Template) -> None:
    until(lambda: own.order()["listening"], "door")


def call(port: int, text: bytes) -> list[bytes]:
    """What the agent answers, in words."""
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S) as connection:
        connection.sendall(text)
        with connection.makefile("rb") as answer:
            return answer.read().split()


def answers(port: int) -> bool:
    try:
        return bool(call(port, b"there?"))
    except OSError:
        return False


def test_it_starts_with_the_first_visitor_whose_words_it_hears(own: Template, port: int) -> None:
    process = agent(own, port)
    wait_for_door(own)
    assert own.order()["forks"] == 0
    assert call(port, b"first") == [b"first", b"%d" % own.pid, b"1"]
    assert call(port, b"second")[0] == b"second"
    state = own.order()
    assert (state["forks"], state["listening"]) == (1, 0)
    process.terminate()
    process.communicate(timeout=DEADLINE_S)
    assert process.returncode == -signal.SIGTERM
    assert not answers(port)


def test_visitors_of_the_same_moment_are_all_heard(own: Template, port: int) -> None:
    process = agent(own, port)
    wait_for_door(own)
    connections = [socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S) for _ in range(5)]
    for number, connection in enumerate(connections):
        connection.sendall(b"%d" % number)
    for number, connection in enumerate(connections):
        with connection, connection.makefile("rb") as answer:
            assert answer.read().split()[0] == b"%d" % number
    assert own.order()["forks"] == 1
    process.kill()
    process.communicate(timeout=DEADLINE_S)


def test_whoever_waits_behind_a_door_can_be_ended(own: Template, port: int) -> None:
    process = agent(own, port)
    wait_for_door(own)
    process.terminate()
    process.communicate(timeout=DEADLINE_S)
    assert process.returncode == -signal.SIGTERM
    until(lambda: not own.order()["listening"], "end of the door")
    with socket.create_server(("127.0.0.1", port)):
        pass  # the port is free again


def test_without_a_template_the_real_interpreter_takes_the_address(own: Template, port: int) -> None:
    process = agent(own, port)
    wait_for_door(own)
    own.end(signal.SIGKILL)
    until(lambda: answers(port), "answer")
    assert own.fallbacks() == ["the template went away"]
    process.kill()
    process.communicate(timeout=DEADLINE_S)
    assert gone(process.pid)


@pytest.mark.parametrize("allowed", ["", "0"])
def test_where_its_raylet_waits_for_it_it_starts_at_once(own: Template, port: int, allowed: str) -> None:
    process = agent(own, port, allowed)
    until(lambda: answers(port), "answer")
    assert own.order()["listening"] == 0
    process.kill()
    process.communicate(timeout=DEADLINE_S)


def test_where_the_address_is_taken_it_starts_at_once(own: Template) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = agent(own, taken.getsockname()[1])
        out, err = process.communicate(timeout=DEADLINE_S)
    assert b"Address already in use" in err, (out, err)
    assert process.returncode == 1
