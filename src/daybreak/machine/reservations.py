"""Ports that the clusters of this machine have chosen, told to whoever chooses next: they are bound only seconds later.

Each keeper tells its own in the names of abstract Unix sockets. Those need no file and no right to write one, are seen
by every account and state folder, count in one network namespace as ports do, and end with the process.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Collection, Iterator
from pathlib import Path

from daybreak.naps import naps

TABLE = Path("/proc/net/unix")
NAME = "daybreak-ports"
# The kernel's longest name of an abstract socket, without the null byte in front.
LONGEST = 107
# Whoever chooses is done within milliseconds. One that is stopped meanwhile keeps nobody from choosing.
PATIENCE_S = 5.0
TOLD = re.compile(rf"@{NAME}:([0-9a-f]{{8}})\.\d+:([0-9,-]+)$", re.MULTILINE)
HIGHEST = 65535


class Reservations:
    """Those of one cluster, by its folder, and what others tell. Where this machine has no such sockets nobody tells
    anything."""

    def __init__(self, root: Path, table: Path = TABLE) -> None:
        self._tag = hashlib.sha256(os.fsencode(root)).hexdigest()[:8]
        self._table = table
        self._told: dict[str, socket.socket] = {}
        self._telling = threading.Lock()

    @contextlib.contextmanager
    def choosing(self) -> Iterator[None]:
        """Alone on this machine: nobody else chooses between looking at what others tell and telling it oneself."""
        with contextlib.ExitStack() as held:
            for _ in naps(time.monotonic() + PATIENCE_S):
                try:
                    held.enter_context(_named(NAME))
                except OSError as error:
                    if error.errno == errno.EADDRINUSE:
                        continue
                break
            yield

    def of_others(self) -> frozenset[int]:
        """The ports that other clusters' keepers have told."""
        try:
            text = self._table.read_text(errors="replace")
        except OSError:
            return frozenset()
        told = (ports for tag, ports in TOLD.findall(text) if tag != self._tag)
        return frozenset(port for ports in told for port in _ports_in(ports))

    def tell(self, ports: Collection[int]) -> None:
        """From now on these are this cluster's, until this process ends or tells others."""
        names = {f"{NAME}:{self._tag}.{os.getpid()}:{part}" for part in _texts(ports, self._tag)}
        with self._telling:
            for name in names - self._told.keys():
                with contextlib.suppress(OSError):
                    self._told[name] = _named(name)
            for name in self._told.keys() - names:
                self._told.pop(name).close()

    def close(self) -> None:
        self.tell(())


def _named(name: str) -> socket.socket:
    """A socket of this name. Raises OSError where there is one already, or there can be none."""
    if sys.platform != "linux":
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.bind(f"\0{name}")
    except OSError:
        made.close()
        raise
    return made


def _texts(ports: Collection[int], tag: str) -> Iterator[str]:
    """`20432-20470,20480`, in as many parts as names have room for."""
    room = LONGEST - len(f"{NAME}:{tag}.{os.getpid()}:")
    text = ""
    for part in _ranges(sorted(set(ports))):
        longer = f"{text},{part}" if text else part
        if len(longer) > room:
            yield text
            longer = part
        text = longer
    if text:
        yield text


def _ranges(ports: list[int]) -> Iterator[str]:
    while ports:
        count = next((place for place, port in enumerate(ports) if port != ports[0] + place), len(ports))
        yield str(ports[0]) if count == 1 else f"{ports[0]}-{ports[count - 1]}"
        ports = ports[count:]


def _ports_in(text: str) -> Iterator[int]:
    """Of what anybody may have written."""
    for part in text.split(","):
        first, _, last = part.partition("-")
        if first.isdigit() and (last or first).isdigit():
            yield from range(int(first), min(int(last or first), HIGHEST) + 1)
