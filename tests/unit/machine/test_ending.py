"""Processes that are on their way out: killed, and not gone yet. A machine that is busy lets them take their time."""

from __future__ import annotations

import platform
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from daybreak.backends.process.members import Scan
from daybreak.machine.listeners import Listener, is_alive, listeners
from daybreak.machine.ports import holder_of, is_free
from daybreak.programs.common import proc
from tests.helpers import until

# What exit_group is not: it ends the calling thread alone. A process that is killed looks like this until each of its
# threads has had a turn.
EXIT = {"x86_64": 60, "aarch64": 93}.get(platform.machine())
ENDING = f"""
import ctypes, os, socket, sys, threading
server = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0))).start()
print(server.getsockname()[1], flush=True)
ctypes.CDLL(None).syscall({EXIT}, 0)
"""

pytestmark = pytest.mark.skipif(EXIT is None or sys.platform != "linux", reason="the number of a system call")


class Dying:
    """A process whose first thread has ended; another one still listens, until it is let go."""

    def __init__(self) -> None:
        self.child = subprocess.Popen(
            [sys.executable, "-c", ENDING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        assert self.child.stdout
        self.port = int(self.child.stdout.readline())
        until(lambda: self.row().state == "Z", what="the first thread has ended")

    def row(self) -> proc.Process:
        found = proc.read(self.child.pid)
        assert found
        return found

    def let_go(self) -> None:
        assert self.child.stdin
        self.child.stdin.close()

    def close(self) -> None:
        self.child.kill()
        self.child.wait()
        for pipe in (self.child.stdin, self.child.stdout):
            assert pipe
            pipe.close()


@pytest.fixture
def dying() -> Iterator[Dying]:
    made = Dying()
    yield made
    made.close()


def test_it_is_no_zombie_while_a_thread_of_it_holds_its_port(dying: Dying) -> None:
    assert not is_free(dying.port)
    assert not dying.row().zombie
    assert dying.row().ending
    assert proc.alive(dying.child.pid, dying.row().started_ticks)
    assert [one.pid for one in Scan().members("none", dying.child.pid, dying.row().started_ticks)] == [dying.child.pid]
    dying.let_go()
    until(lambda: dying.row().zombie, what="all of it has ended")
    assert is_free(dying.port)
    assert not dying.row().ending
    assert not proc.alive(dying.child.pid, dying.row().started_ticks)


def test_who_asks_for_the_holder_of_its_port_waits_for_its_end(dying: Dying) -> None:
    assert listeners()[dying.port].pid is None, "nobody is seen to hold it"
    assert not is_alive(Listener(dying.child.pid))
    later = threading.Timer(0.2, dying.let_go)
    later.start()
    assert holder_of(dying.port) is None
    later.join()


def test_a_port_whose_holder_is_not_seen_is_told_where_nothing_ends(
    dying: Dying, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daybreak.machine.listeners.any_ends", lambda: False)
    holder = holder_of(dying.port)
    assert holder
    assert str(holder).startswith("a process of ")
