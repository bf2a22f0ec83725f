"""Programs of the cluster that stop at a `breakpoint()`, or let a debugger in: they tell `dev` at its own socket."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from daybreak.extras.dev.room import with_each

if TYPE_CHECKING:
    from daybreak.spec import LoadedSpec

# What `programs/warm/breakpoints.py` reads.
SOCKET, DEBUG = "DAYBREAK_BREAKPOINTS", "DAYBREAK_DEBUG"
# Whoever connects says at once who it is.
SAY_S = 5.0
LONGEST_LINE = 2**16
LOOK_S = 0.2


@dataclass(frozen=True)
class Stop:
    """A program that waits at a place; what is written to the connection is typed at its prompt."""

    connection: socket.socket
    who: str
    place: str


@dataclass(frozen=True)
class Debuggable:
    """A replica that lets a debugger in at a port of loopback."""

    who: str
    port: int


def with_stops(loaded: LoadedSpec, at: Path, *, debug: bool) -> LoadedSpec:
    """The same, with nodes whose programs know where to tell; in containers that place is not."""
    if loaded.spec.in_containers:
        return loaded
    more = {SOCKET: str(at), **({DEBUG: "1"} if debug else {})}
    return with_each(loaded, lambda node: {"env": {**node.env, **more}})


def listen(at: Path) -> socket.socket | None:
    """A socket that this account alone reaches; None where another `dev` listens there. Raises OSError."""
    made = socket.socket(socket.AF_UNIX)
    try:
        with contextlib.suppress(ConnectionRefusedError, FileNotFoundError):
            made.connect(str(at))
            made.close()
            return None
        at.unlink(missing_ok=True)
        at.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        made.bind(str(at))
        at.chmod(0o600)
        made.listen()
        made.settimeout(LOOK_S)
        return made
    except BaseException:
        made.close()
        raise


def follow(listening: socket.socket, tell: Callable[[Stop | Debuggable], None], stop: threading.Event) -> None:
    """Tell of each one that comes, until `stop`."""
    with listening:
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = listening.accept()
                found = _read(connection)
                if found:
                    tell(found)


def _read(connection: socket.socket) -> Stop | Debuggable | None:
    """What it is; None, and the end of it, for what says nothing that is known."""
    connection.settimeout(SAY_S)
    line = b""
    try:
        while not line.endswith(b"\n") and len(line) < LONGEST_LINE:
            piece = connection.recv(1)
            if not piece:
                break
            line += piece
        told = json.loads(line)
        who = told["who"] or f"process {told['pid']}"
        if told["kind"] == "breakpoint":
            connection.settimeout(None)
            return Stop(connection, who, told["place"])
        connection.close()
        return Debuggable(who, int(told["port"]))
    except (OSError, ValueError, KeyError, TypeError):
        connection.close()
        return None
