"""Whose program is at the other end of a connection on this machine: the kernel knows.

A loopback address is open to every account of the machine, and what the page shows is not for all of them.
"""

from __future__ import annotations

import ipaddress
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from starlette.types import Scope

TABLES = {4: Path("/proc/net/tcp"), 6: Path("/proc/net/tcp6")}
# Columns of these tables.
UID, INODE = 7, 9


def is_ours(scope: Scope) -> bool:
    """Whether a request comes from this account or root; no where that cannot be known."""
    uid = _uid(scope.get("client"), scope.get("server"))
    return uid is not None and uid in (0, os.geteuid())


def _uid(client: tuple[str, int] | None, server: tuple[str, int | None] | None) -> int | None:
    """The account of the socket at the client's end."""
    if not client or not server or server[1] is None:
        return None
    try:
        ends = [(ipaddress.ip_address(host), port) for host, port in (client, (server[0], server[1]))]
        table = TABLES[ends[0][0].version].read_bytes()
    except (ValueError, OSError):
        return None
    # Behind the number of the line, and in front of the state.
    place = table.find(f": {' '.join(_written(address.packed, port) for address, port in ends)} ".encode())
    fields = table[table.rfind(b"\n", 0, place) + 1 : place + 400].split() if place >= 0 else []
    # A socket that its program has closed is nobody's: the table says root's then.
    return int(fields[UID]) if len(fields) > INODE and fields[INODE] != b"0" else None


def _written(packed: bytes, port: int) -> str:
    """An address as the kernel writes it: words of four bytes in the machine's own order."""
    return "".join(_words(packed)) + f":{port:04X}"


def _words(packed: bytes) -> Iterator[str]:
    for at in range(0, len(packed), 4):
        yield f"{int.from_bytes(packed[at : at + 4], sys.byteorder):08X}"
