"""A host's side of its logs: what they say is read by a process of its own and sent to the first machine, as long as
that reads it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from daybreak.backends.process import limits
from daybreak.errors import DaybreakError
from daybreak.keeper.background import Background
from daybreak.keeper.control.client import RUN_MODULE
from daybreak.keeper.control.error_json import error_to_json
from daybreak.keeper.hosts import log_program
from daybreak.keeper.hosts.wire import Line, Place, connected
from daybreak.run.uninterrupted import uninterrupted

# As many terminals may follow at once.
MOST = 8
BLOCK_BYTES = 64 * 1024
log = logging.getLogger(__name__)


class ToldLogs:
    """One host's. `name` is the cluster's, `own` this host's certificate and key."""

    def __init__(self, name: str, own: tuple[Path, Path], background: Background) -> None:
        self._name, self._own, self._background = name, own, background
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, place: Place, wish: Mapping[str, Any]) -> None:
        """Tell the first machine, there, what it wants to know, or that too many do at once."""
        busy = len(self._tasks) >= MOST
        task = self._background.keep("logs for the first machine", partial(self._answer, place, wish, busy=busy))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def end(self) -> None:
        """Nothing more is told."""
        for task in self._tasks:
            task.cancel()

    async def _answer(self, place: Place, wish: Mapping[str, Any], *, busy: bool) -> None:
        try:
            async with connected(place, self._own) as line:
                line.send({"op": "logs", "id": wish.get("id")})
                if busy:
                    line.send({"error": error_to_json(DaybreakError(f"{MOST} others read its logs already"))})
                else:
                    await self._tell(line, wish)
        except (DaybreakError, OSError) as error:
            log.info("logs for the first machine: %s", error)
        except Exception:
            log.exception("logs could not be told")

    async def _tell(self, line: Line, wish: Mapping[str, Any]) -> None:
        source, module = str(Path(log_program.__file__).resolve().parents[3]), log_program.__name__
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-c", RUN_MODULE, source, module, self._name),
            cwd="/",
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            start_new_session=True,
        )
        limits.give_back(process.pid)
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps(dict(wish)).encode() + b"\n")
        # The program ends when its input does, whatever becomes of this keeper.
        sending = asyncio.create_task(_copy(process.stdout, line), name="sending logs")
        gone = asyncio.create_task(line.reader.read(1), name="is the first machine there?")
        try:
            await asyncio.wait((sending, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            for task in (sending, gone):
                task.cancel()
            await uninterrupted(_ended(process, sending, gone))


async def _ended(process: asyncio.subprocess.Process, *tasks: asyncio.Task[Any]) -> None:
    """Its pipes are closed by then, which it was killed for."""
    await asyncio.gather(*tasks, process.wait(), return_exceptions=True)


async def _copy(stream: asyncio.StreamReader, line: Line) -> None:
    while block := await stream.read(BLOCK_BYTES):
        await line.send_bytes(block)
