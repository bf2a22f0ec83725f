"""systemd is told over a real socket, by its path or by an abstract name."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from daybreak.extras.boot.notify import OWN, Notifier
from daybreak.keeper.wanted.environment import renewed


@pytest.fixture(params=["path", "abstract"])
def listening(request: pytest.FixtureRequest) -> Iterator[tuple[str, socket.socket]]:
    """The address as systemd writes it, and the socket there."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as opened:
        path = str(Path(folder) / "notify")
        abstract = request.param == "abstract"
        opened.bind(f"\0{path}" if abstract else path)
        opened.settimeout(60)
        yield f"@{path}" if abstract else path, opened


def test_it_arrives_line_by_line(listening: tuple[str, socket.socket]) -> None:
    address, opened = listening
    environment = {"NOTIFY_SOCKET": address, "INVOCATION_ID": "1", "PATH": "/bin"}
    notify = Notifier.taken_from(environment)
    assert environment == {"PATH": "/bin"}, "nothing that is started speaks for this process"
    notify("READY=1", "STATUS=two\nlines")
    assert opened.recv(100) == b"READY=1\nSTATUS=two lines"


def test_without_systemd_and_where_it_has_gone_nothing_happens(tmp_path: Path) -> None:
    Notifier.taken_from({})("READY=1")
    Notifier(str(tmp_path / "absent"))("READY=1")
    Notifier("@absent")("READY=1")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "2500000"}, 2.5),
        ({"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "2500000", "WATCHDOG_PID": str(os.getpid())}, 2.5),
        ({"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "2500000", "WATCHDOG_PID": "1"}, None),
        ({"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "0"}, None),
        ({"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "2500000"}, None),
        ({"NOTIFY_SOCKET": "@x"}, None),
    ],
)
def test_how_long_silence_may_last(environment: dict[str, str], expected: float | None) -> None:
    assert Notifier.taken_from(environment).watchdog_s == expected


def test_what_a_unit_is_told_makes_no_other_environment() -> None:
    told = dict.fromkeys(OWN, "x")
    assert renewed({"A": "1"}, {"A": "1", **told}) == {"A": "1"}
