"""Who holds a lock, and which sockets are listened on, from the kernel's own tables: nothing is locked or connected."""

from __future__ import annotations

import os
from pathlib import Path

from daybreak.backends.process.procfs import PROC


def holder_of(file: Path) -> int | None:
    """The pid of the process that has `file` locked with flock; None where nobody has."""
    try:
        found = file.stat()
        table = (PROC / "locks").read_text()
    except OSError:
        return None
    place = (os.major(found.st_dev), os.minor(found.st_dev), found.st_ino)
    for line in table.splitlines():
        fields = line.split()
        # `1: FLOCK ADVISORY WRITE 4711 fe:00:2359489 0 EOF`; who waits has an arrow in the second column.
        if len(fields) < 6 or fields[1] != "FLOCK":
            continue
        major, minor, inode = fields[5].split(":")
        if (int(major, 16), int(minor, 16), int(inode)) == place:
            return int(fields[4])
    return None


def listening_sockets() -> set[str]:
    """The paths of all Unix sockets that somebody accepts connections on."""
    found = set()
    for line in (PROC / "net/unix").read_text().splitlines()[1:]:
        fields = line.split(maxsplit=7)
        # The flag 0x10000 says that the socket accepts connections.
        if len(fields) == 8 and int(fields[3], 16) & 0x10000:
            found.add(fields[7])
    return found
