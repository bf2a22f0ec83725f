"""What Docker's refusals mean, whoever passes them on: the command, the Python package, the libraries below it."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from daybreak.docker import connect, refusals
from daybreak.errors import EngineError

SOCKET = "unix:///x.sock"


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", SOCKET)


@pytest.mark.parametrize(
    ("stderr", "message", "hint"),
    [
        (f"Cannot connect to the Docker daemon at {SOCKET}. Is the docker daemon running?", "not answer", "systemctl"),
        (
            f"failed to connect to the docker API at {SOCKET}: dial unix /x.sock: connect: no such file or directory",
            "not answer",
            "systemctl",
        ),
        (f"permission denied while trying to connect to the Docker daemon socket at {SOCKET}", "may not", "usermod"),
        ("a\nError response from daemon: conflict", "conflict", None),
        ("lstat /x/y: no such file or directory", "lstat /x/y", None),
        ("", "docker failed", None),
    ],
)
def test_what_the_command_says(stderr: str, message: str, hint: str | None) -> None:
    error = refusals.of_text(stderr)
    assert message in error.message
    assert (hint in (error.hint or "")) if hint else error.hint is None


class Answered(Exception):
    """An error answer as the package raises it."""

    status_code = 409
    explanation = "Conflict. The name is in use"


class ReadTimeoutError(Exception):
    """As urllib3 names it; it is no TimeoutError."""


@pytest.mark.parametrize(
    ("error", "message", "status"),
    [
        (Answered("409 Client Error"), "Conflict. The name is in use", 409),
        (
            RuntimeError("aborted", FileNotFoundError(2, "No such file or directory")),
            "does not answer at /x.sock",
            None,
        ),
        (RuntimeError("aborted", ConnectionRefusedError(111, "refused")), "does not answer at /x.sock", None),
        (RuntimeError("aborted", PermissionError(13, "denied")), "this account may not use Docker", None),
        (RuntimeError(ReadTimeoutError("read timed out")), "no answer within 3 s", None),
        (RuntimeError("volume is in use"), "volume is in use", None),
        (RuntimeError(), "RuntimeError", None),
    ],
)
def test_what_the_package_raises(error: Exception, message: str, status: int | None) -> None:
    found = refusals.of_error(error, 3.0)
    assert message in found.message
    assert found.status == status


def test_the_package_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "docker", None)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/x.sock")
    with socket.socket(socket.AF_UNIX) as engine:
        engine.bind(f"{tmp_path}/x.sock")
        engine.listen()
        with pytest.raises(EngineError, match="Python package is not installed") as told:
            connect.connect()
    assert "daybreak[docker]" in (told.value.hint or "")


def test_a_stopped_engine_and_one_that_was_never_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(EngineError, match=f"does not answer at {tmp_path}/none.sock"):
        connect.connect()
    monkeypatch.delenv("DOCKER_HOST")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refusals.stopped().message == "Docker is not installed"
