"""The control API: JSON lines on a Unix socket that only its owner can open.

A request is one line, `{"op": ..., ...}`. The answer is `{"heard": true}` at once, then any number of `{"event": ...}`
and `{"note": ...}` lines, then one `{"result": ...}` or `{"error": ...}`. Any further line of the client cancels what
it has asked for, and so does the end of the connection. A client that was not heard may ask another keeper.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from daybreak.accepting import stop_accepting
from daybreak.errors import DaybreakError
from daybreak.keeper.control.error_json import error_to_json
from daybreak.redact import Redaction

MOST_REQUEST_BYTES = 16 * 1024 * 1024
# As many of a client's answers wait for it to read them.
MOST_UNREAD_BYTES = 8 * 1024 * 1024
# Between looks for the socket. Commands wait for six times as long.
LOOK_S = 5.0
log = logging.getLogger(__name__)


class Client:
    """One connection; sending to one that went away does nothing."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._left = asyncio.Event()

    @property
    def gone(self) -> bool:
        return self._left.is_set() or self._writer.is_closing()

    def leave(self) -> None:
        """The other side has closed the connection."""
        self._left.set()

    async def until_gone(self) -> None:
        """Wait until the other side has closed the connection."""
        await self._left.wait()

    def send(self, message: dict[str, Any]) -> None:
        if self.gone:
            return
        if self._writer.transport.get_write_buffer_size() > MOST_UNREAD_BYTES:
            log.warning("a client that does not read what it asked for is dropped")
            self._left.set()
            self._writer.transport.abort()
        else:
            with contextlib.suppress(OSError):
                self._writer.write(json.dumps(message).encode() + b"\n")

    async def send_all(self, message: dict[str, Any]) -> None:
        """The same, no faster than the other side reads: for what may be more than it wants to wait for."""
        self.send(message)
        with contextlib.suppress(OSError):
            await self._writer.drain()


class Nobody(Client):
    """Stands for what the keeper does without a command that waits for it."""

    def __init__(self) -> None:
        pass

    @property
    def gone(self) -> bool:
        return True


class Answering(Protocol):
    """One operation that is under way."""

    async def answer(self) -> Any: ...

    def cancel(self) -> None: ...

    def abandon(self) -> None: ...


class ControlServer:
    """Serves a Unix socket; `begin` begins what a request asks for."""

    def __init__(
        self,
        path: Path,
        begin: Callable[[dict[str, Any], Client], Answering],
        on_idle: Callable[[], None],
        secrets: Path | None = None,
    ) -> None:
        """`secrets` is the folder with what must not stand in an error."""
        self._path = path
        self._secrets = secrets
        self._begin = begin
        self._on_idle = on_idle
        self._open = 0
        self._server: asyncio.Server | None = None
        self._bound: tuple[int, int] | None = None

    @property
    def busy(self) -> bool:
        return self._open > 0

    async def start(self) -> None:
        self._path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._serve, self._path, limit=MOST_REQUEST_BYTES)
        finally:
            os.umask(before)
        self._bound = _identity(self._path)

    async def look(self) -> None:
        """Bind anew where somebody has deleted or replaced the socket; who is connected stays so."""
        if self._server is None or _identity(self._path) == self._bound:
            return
        log.warning("%s was deleted: it is made anew", self._path)
        self._server.close()
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        await self.start()

    async def close(self) -> None:
        self._path.unlink(missing_ok=True)
        if self._server:
            await stop_accepting((self._server,))
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        client = Client(writer)
        try:
            line = await reader.readline()
            if not line:
                return  # somebody only looked whether anyone is here
            if not line.endswith(b"\n"):
                raise ValueError("it was cut off")
            request = json.loads(line)
            client.send({"heard": True})
            operation = self._begin(request, client)
            listening = asyncio.create_task(_listen(reader, client, operation), name="listening to a client")
            try:
                client.send(await self._answer(request, operation))
            finally:
                listening.cancel()
            with contextlib.suppress(OSError):
                await writer.drain()
        except (ValueError, OSError):
            log.warning("a connection was dropped: not a request")
        finally:
            writer.close()
            self._open -= 1
            self._on_idle()

    async def _answer(self, request: dict[str, Any], operation: Answering) -> dict[str, Any]:
        """The last line that the client gets."""
        try:
            return {"result": await operation.answer()}
        except DaybreakError as error:
            if self._secrets:
                error.reword(Redaction(self._secrets))
            return {"error": error_to_json(error)}
        except Exception as error:  # a bug must reach the user as an error, and the log as a traceback
            log.exception("request %s failed", request.get("op"))
            failed = DaybreakError(f"daybreak itself failed: {type(error).__name__}: {error}")
            return {"error": error_to_json(failed)}


def _identity(path: Path) -> tuple[int, int] | None:
    """Disk and number of a file; None where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


async def _listen(reader: asyncio.StreamReader, client: Client, operation: Answering) -> None:
    """Any further line cancels the operation, and so does the end of the connection."""
    with contextlib.suppress(OSError, ValueError):
        while await reader.readline():
            operation.cancel()
    client.leave()
    operation.abandon()
