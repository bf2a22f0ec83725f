"""The control API: JSON lines on a Unix socket that only its owner can open.

A request is one line, `{"op": ..., ...}`. The answer is `{"heard": true}` at once, then any number of `{"event": ...}`
and `{"note": ...}` lines, then one `{"result": ...}` or `{"error": ...}`. A client that goes away does not stop what it
asked for; one that was not heard may ask another keeper.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from daybreak.errors import DaybreakError, UsageError
from daybreak.redact import Redaction

MOST_REQUEST_BYTES = 16 * 1024 * 1024
log = logging.getLogger(__name__)


class Client:
    """One connection; sending to one that went away does nothing."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @property
    def gone(self) -> bool:
        return self._writer.is_closing()

    async def until_gone(self) -> None:
        """Wait until the other side has closed the connection."""
        with contextlib.suppress(OSError):
            await self._reader.read()

    def send(self, message: dict[str, Any]) -> None:
        if not self.gone:
            with contextlib.suppress(OSError):
                self._writer.write(json.dumps(message).encode() + b"\n")


class Nobody(Client):
    """Stands for what the keeper does without a command that waits for it."""

    def __init__(self) -> None:
        pass

    @property
    def gone(self) -> bool:
        return True


Operation = Callable[[dict[str, Any], Client], Awaitable[Any]]


class ControlServer:
    """Serves the operations on a Unix socket."""

    def __init__(
        self,
        path: Path,
        operations: dict[str, Operation],
        on_idle: Callable[[], None],
        secrets: Path | None = None,
    ) -> None:
        """`secrets` is the folder with what must not stand in an error."""
        self._path = path
        self._secrets = secrets
        self._operations = operations
        self._on_idle = on_idle
        self._open = 0
        self._server: asyncio.Server | None = None

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

    async def close(self) -> None:
        self._path.unlink(missing_ok=True)
        if self._server:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        client = Client(reader, writer)
        try:
            line = await reader.readline()
            if not line:
                return  # somebody only looked whether anyone is here
            request = json.loads(line)
            client.send({"heard": True})
            try:
                client.send({"result": await self._run(request, client)})
            except DaybreakError as error:
                if self._secrets:
                    error.reword(Redaction(self._secrets))
                client.send({"error": error.to_json()})
            except Exception as error:  # a bug must reach the user as an error, and the log as a traceback
                log.exception("request %s failed", request.get("op"))
                failed = DaybreakError(f"daybreak itself failed: {type(error).__name__}: {error}")
                client.send({"error": failed.to_json()})
            with contextlib.suppress(OSError):
                await writer.drain()
        except (ValueError, OSError):
            log.warning("a connection was dropped: not a request")
        finally:
            writer.close()
            self._open -= 1
            self._on_idle()

    async def _run(self, request: dict[str, Any], client: Client) -> Any:
        operation = self._operations.get(str(request.get("op")))
        if operation is None:
            raise UsageError(f"the keeper does not know the operation {request.get('op')!r}")
        return await operation(request, client)
