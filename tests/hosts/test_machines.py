"""The machines that the tests make: they reach each other, and nothing is left of them."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import until
from tests.hosts.machines import Host, Machines


def reaches(host: Host, server: socket.socket) -> bool:
    """Can a program of this host connect there? On this switch nothing is far."""
    try:
        with host.inside():
            socket.create_connection(server.getsockname(), 2.0).close()
    except OSError:
        return False
    return True


def test_they_reach_each_other_as_long_as_their_cables_are_in(two: list[Host]) -> None:
    one, other = two
    with one.inside():
        server = socket.create_server((one.address, 0))
    with server:
        until(lambda: reaches(other, server), what="the cables are in")
        other.unplug()
        assert not reaches(other, server)
        other.plug()
        # The kernel takes up to a second to see that, and what was sent before is sent again seconds later.
        until(lambda: reaches(other, server), what="the cable is in again")


@pytest.mark.usefixtures("can_have_machines")
def test_nothing_is_left_although_something_runs(tmp_path: Path) -> None:
    made = Machines(tmp_path)
    (host,) = made.make(1)
    sleeps = [sys.executable, "-c", "import time; time.sleep(600)"]
    with subprocess.Popen([*host.cluster.inside, *sleeps], start_new_session=True) as process:
        until(host.pids, what="it is in the namespace")
        with pytest.raises(AssertionError, match="processes were left"):
            made.take_away(patience_s=0)
        assert process.wait() != 0
    assert made.word not in subprocess.run(["ip", "netns"], check=True, capture_output=True, text=True).stdout
