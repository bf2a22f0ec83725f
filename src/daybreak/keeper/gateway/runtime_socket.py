"""HAProxy's runtime socket: one command a connection, and its answer as text."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
from collections import Counter
from dataclasses import dataclass

from daybreak.errors import DaybreakError
from daybreak.services.edge.haproxy_config import DASHBOARD, WEBSOCKETS
from daybreak.services.edge.repeating import asked

TIMEOUT_S = 5.0
MOST_BYTES = 4 * 1024 * 1024


class GatewaySilent(DaybreakError):
    """The gateway does not take a command."""


async def command(path: str, line: str, *, payload: str = "", timeout_s: float = TIMEOUT_S) -> str:
    """Send one command, with a `payload` that has no empty line and is never shown.

    Raises GatewaySilent where nobody answers in time, or the command is refused.
    """
    try:
        async with asyncio.timeout(timeout_s):
            return await _asked(path, f"{line} <<\n{payload}\n" if payload else line)
    except (OSError, TimeoutError) as error:
        why = str(error) or f"no answer within {timeout_s:g} s"
        raise GatewaySilent(f"the gateway does not take `{line}`: {why}") from error


async def _asked(path: str, line: str) -> str:
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        writer.write(line.encode() + b"\n")
        await writer.drain()
        answer = (await reader.read(MOST_BYTES)).decode(errors="replace")
        while more := await reader.read(MOST_BYTES):
            answer += more.decode(errors="replace")
            if len(answer) > MOST_BYTES:
                raise OSError("its answer has no end")
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    if answer.startswith(("Unknown command", "Permission denied")):
        raise OSError(answer.strip().splitlines()[0])
    return answer.strip()


@dataclass(frozen=True)
class InFlight:
    """What goes on behind the gateway: requests to applications that are being answered, and WebSockets."""

    requests: int = 0
    websockets: int = 0


async def in_flight(path: str, server: str = "BACKEND") -> InFlight:
    """Behind all of it, or one `server` (a slot). Raises GatewaySilent."""
    rows = csv.DictReader(io.StringIO((await command(path, "show stat")).removeprefix("# ")))
    counts: Counter[str] = Counter()
    for row in rows:
        if asked(row["svname"])[0] == server:
            counts[row["pxname"]] += int(row["scur"] or 0)
    counts.pop(DASHBOARD, None)
    websockets = counts.pop(WEBSOCKETS, 0)
    return InFlight(sum(counts.values()), websockets)
