"""Framed requests over a real pair of sockets."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from daybreak.programs.common import framed


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_a_request_arrives_with_its_files_and_what_comes_after_it_stays(
    pair: tuple[socket.socket, socket.socket], tmp_path: os.PathLike[str]
) -> None:
    ours, theirs = pair
    names = [f"{os.fspath(tmp_path)}/{number}" for number in range(300)]  # more than one message takes
    files = [os.open(name, os.O_CREAT | os.O_RDWR) for name in names]
    framed.send(ours, b"x" * 1000, files)
    ours.sendall(b"signal 15\n")
    request = framed.Request()
    found = None
    while found is None:
        found = request.read(theirs)
    while not request.data:
        assert request.read(theirs) is None
    assert (found, request.data) == (b"x" * 1000, b"signal 15\n")
    assert [os.readlink(f"/proc/self/fd/{fd}") for fd in request.files] == names
    assert not any(os.get_inheritable(fd) for fd in request.files)
    request.close_files()
    for fd in files:
        os.close(fd)


def test_the_end_of_the_stream_is_told(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    request = framed.Request()
    ours.sendall((100).to_bytes(4, "little") + b"half")
    assert request.read(theirs) is None
    ours.close()
    with pytest.raises(EOFError):
        request.read(theirs)
