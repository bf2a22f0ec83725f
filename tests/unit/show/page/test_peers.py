"""Whose program asks, on real connections."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from daybreak.show.page.peers import is_ours

ASKS = "import os, socket, sys; os.setuid(65534); c = socket.socket(); c.connect(('127.0.0.1', {})); sys.stdin.read()"


@pytest.fixture(params=["127.0.0.1", "::1"])
def listening(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with closing(socket.socket(family)) as made:
        try:
            made.bind((request.param, 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
        made.settimeout(30)
        made.listen()
        yield made


def scope_of(accepted: socket.socket) -> dict[str, Any]:
    return {"client": accepted.getpeername()[:2], "server": accepted.getsockname()[:2]}


def test_this_account_is_known(listening: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(socket.create_connection(listening.getsockname()[:2])) as client:
        accepted, _ = listening.accept()
        with closing(accepted):
            assert is_ours(scope_of(accepted))
            client.close()
            assert not is_ours(scope_of(accepted)), "what is closed is nobody's"


def test_another_account_is_not() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can be another account")
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        listening.settimeout(30)
        words = [sys.executable, "-c", ASKS.format(listening.getsockname()[1])]
        with subprocess.Popen(words, stdin=subprocess.PIPE) as other:
            accepted, _ = listening.accept()
            with closing(accepted):
                assert not is_ours(scope_of(accepted))
            other.communicate()


@pytest.mark.parametrize(
    "scope",
    [{}, {"client": ("10.0.0.1", 1), "server": ("127.0.0.1", 2)}, {"client": ("x", 1), "server": ("/sock", None)}],
)
def test_who_cannot_be_known_is_not(scope: dict[str, Any]) -> None:
    assert not is_ours(scope)
