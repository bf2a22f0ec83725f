"""A pull, from an engine that says what a test lets it say."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daybreak.docker import refusals
from daybreak.docker.streams import Pull
from daybreak.errors import EngineError

DEADLINE_S = 10.0
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


class Api:
    """What a pull needs of the package's client: whoever has not logged in sends no password."""

    api_version = "1.41"
    credstore_env = None

    def __init__(self) -> None:
        from docker.auth import AuthConfig

        self._auth_configs = AuthConfig({"auths": {"somewhere.example": {}}})


class Engine:
    """One connection of an engine's; `asked` is set when the question has come."""

    def __init__(self, path: Path) -> None:
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(path))
        self._listening.listen()
        self.question = b""
        self.asked = threading.Event()
        self.left = threading.Event()
        self._connection: socket.socket | None = None
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            self._connection, _ = self._listening.accept()
            while not self.question.endswith(b"\r\n\r\n"):
                self.question += self._connection.recv(4096)
            self.asked.set()
            if self._connection.recv(1) == b"":
                self.left.set()

    def says(self, *rows: dict[str, Any], head: bytes = HEAD, last: bool = False) -> None:
        assert self.asked.wait(DEADLINE_S)
        assert self._connection
        chunks = [
            f"{len(line):x}\r\n".encode() + line + b"\r\n" for line in (json.dumps(r).encode() + b"\r\n" for r in rows)
        ]
        self._connection.sendall(head + b"".join(chunks) + (b"0\r\n\r\n" if last else b""))

    def close(self) -> None:
        self._listening.close()
        if self._connection:
            self._connection.close()


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/engine")
    made = Engine(tmp_path / "engine")
    yield made
    made.close()


class Puller(threading.Thread):
    """A pull in a thread of its own: what it was told, and how it ended."""

    def __init__(self, image: str = "127.0.0.1:1/x:y") -> None:
        super().__init__(daemon=True)
        self.pull = Pull(Api(), image, lambda error: refusals.of_error(error, 1.0))
        self.told: list[dict[str, Any]] = []
        self.first = threading.Event()
        self.error: EngineError | None = None
        self.start()

    def run(self) -> None:
        try:
            self.pull.run(self._tell)
        except EngineError as error:
            self.error = error

    def _tell(self, said: dict[str, Any]) -> None:
        self.told.append(said)
        self.first.set()

    def ended(self) -> str | None:
        self.join(DEADLINE_S)
        assert not self.is_alive()
        return self.error.message if self.error else None


def test_it_tells_what_the_engine_says(engine: Engine) -> None:
    puller = Puller()
    engine.says({"status": "Pulling"}, {"status": "Done"}, last=True)
    assert puller.ended() is None
    assert [row["status"] for row in puller.told] == ["Pulling", "Done"]
    assert engine.question.startswith(b"POST /v1.41/images/create?fromImage=127.0.0.1%3A1%2Fx&tag=y HTTP/1.1\r\n")


def test_given_up_while_the_engine_is_silent(engine: Engine) -> None:
    puller = Puller()
    assert engine.asked.wait(DEADLINE_S)
    puller.pull.cancel()
    assert "given up" in str(puller.ended())
    assert engine.left.wait(DEADLINE_S), "the engine sees it, and gives up as well"


def test_given_up_in_the_middle(engine: Engine) -> None:
    puller = Puller()
    engine.says({"status": "Pulling"})
    assert puller.first.wait(DEADLINE_S)
    puller.pull.cancel()
    assert "given up" in str(puller.ended())


def test_given_up_before_it_has_begun(engine: Engine) -> None:
    pull = Pull(Api(), "x", lambda error: refusals.of_error(error, 1.0))
    pull.cancel()
    with pytest.raises(EngineError, match="given up"):
        pull.run(lambda said: None)


def test_errors_come_before_and_after_the_answer_has_begun(engine: Engine) -> None:
    puller = Puller()
    engine.says({"error": "manifest unknown"})
    assert puller.ended() == "manifest unknown"


def test_a_refusal(engine: Engine) -> None:
    puller = Puller()
    body = b'{"message":"no basic auth credentials"}'
    engine.says(head=f"HTTP/1.1 500 X\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    assert puller.ended() == "no basic auth credentials"
    assert puller.error
    assert puller.error.status == 500
