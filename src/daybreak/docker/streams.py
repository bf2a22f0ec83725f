"""Answers of an engine that take their time, and that any thread can end."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from daybreak.docker import refusals
from daybreak.errors import EngineError

Item = TypeVar("Item")
Tell = Callable[[dict[str, Any]], None]


class Stream(Generic[Item]):
    """An answer without end. It ends when it is cancelled (by any thread) and when the connection breaks."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def __iter__(self) -> Iterator[Item]:
        return iter(self._raw)

    def cancel(self) -> None:
        """End it under its reader's hands."""
        # The package looks for the socket through three layers, any of which may have let go of it already.
        with contextlib.suppress(Exception):
            self._raw.close()

    def close(self) -> None:
        """Give the connection back; for its reader."""
        self.cancel()
        # What the package closes is the socket; the file that its answer is read from would stay open.
        if (answer := getattr(self._raw, "_response", None)) is not None:
            with contextlib.suppress(Exception):
                answer.close()


class Pull:
    """One image on its way from its registry.

    An engine that waits for a registry has not begun to answer, and the package shows nobody the socket that it waits
    at. So the question is put at a socket of our own, where the engine has one on this machine.
    """

    def __init__(self, api: Any, image: str, refused: Callable[[Exception], EngineError]) -> None:
        self._api = api
        self._image = image
        self._refused = refused
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._over = False

    def run(self, tell: Tell) -> None:
        """Return when the image is there. `tell` gets what the engine says meanwhile. Raises EngineError."""
        repository, tag = split_name(self._image)
        try:
            for said in self._said(repository, tag):
                if self._over:
                    break
                if "error" in said:
                    # The engine has answered 200 already when it notices.
                    raise EngineError(str(said["error"]))
                tell(said)
        except Exception as error:
            if not self._over:
                raise self._refused(error) from error
        if self._over:
            raise EngineError(f"the pull of {self._image} was given up")

    def cancel(self) -> None:
        """End it at once; the engine gives up with it. For any thread, at any time."""
        with self._lock:
            self._over = True
            if self._socket is not None:
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)

    def _said(self, repository: str, tag: str | None) -> Iterator[dict[str, Any]]:
        path = refusals.address()
        if not path.startswith("/"):
            yield from self._api.pull(repository, tag=tag, stream=True, decode=True)
            return
        with contextlib.closing(http.client.HTTPConnection("localhost")) as connection:
            connection.sock = self._connected(path)
            query = urlencode({"fromImage": repository} | ({"tag": tag} if tag else {}))
            connection.request(
                "POST", f"/v{self._api.api_version}/images/create?{query}", headers=_login(self._api, repository)
            )
            answer = connection.getresponse()
            if answer.status != http.client.OK:
                text = answer.read().decode(errors="replace")
                with contextlib.suppress(ValueError, KeyError):
                    text = str(json.loads(text)["message"])
                raise EngineError(text.strip() or answer.reason, status=answer.status)
            for line in answer:
                if line.strip():
                    yield json.loads(line)

    def _connected(self, path: str) -> socket.socket:
        with self._lock:
            if self._over:
                raise ConnectionAbortedError
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._socket.connect(path)
            return self._socket


def _login(api: Any, repository: str) -> dict[str, str]:
    """What `docker login` has left for the image's registry."""
    from docker import auth

    registry, _ = auth.resolve_repository_name(repository)
    header = auth.get_config_header(api, registry)
    return {"X-Registry-Auth": header.decode() if isinstance(header, bytes) else header} if header else {}


def split_name(image: str) -> tuple[str, str | None]:
    """Repository and tag, as a pull takes them; None for a name that holds a digest."""
    if "@" in image:
        return image, None
    last = image.rpartition("/")[2]
    return (image[: -len(last.partition(":")[2]) - 1], last.partition(":")[2]) if ":" in last else (image, "latest")
