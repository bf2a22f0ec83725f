"""A request on a Unix socket: its length in 4 bytes, the bytes, and open files that travel with the first of them."""

import os
import socket
import struct
from typing import List, Optional, Sequence

LENGTH_BYTES = 4
# The kernel takes no more files at once; and there is a name for this flag of Linux's in no module.
MOST_FILES = 253
MSG_CMSG_CLOEXEC = 0x40000000


class FilesLost(Exception):
    """Some of the files did not arrive: this process may open no more."""


class Request:
    """One that comes in, in parts. `data` is what has come after it, `files` are closed by whoever has read it."""

    def __init__(self) -> None:
        self.data = b""
        self.files: List[int] = []
        self.complete = False

    def read(self, connection: socket.socket) -> Optional[bytes]:
        """Take what has come; the request where that completes it. Raises EOFError at the end, FilesLost."""
        part, ancillary, flags, _ = connection.recvmsg(65536, socket.CMSG_SPACE(MOST_FILES * 4), MSG_CMSG_CLOEXEC)
        for level, kind, packed in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                self.files += struct.unpack(f"{len(packed) // 4}i", packed[: len(packed) // 4 * 4])
        if not part:
            raise EOFError
        if flags & socket.MSG_CTRUNC:
            raise FilesLost("its open files did not arrive")
        self.data += part
        size = LENGTH_BYTES + int.from_bytes(self.data[:LENGTH_BYTES], "little")
        if self.complete or len(self.data) < LENGTH_BYTES or len(self.data) < size:
            return None
        self.complete = True
        found, self.data = self.data[LENGTH_BYTES:size], self.data[size:]
        return found

    def close_files(self) -> None:
        """Close those that have come."""
        for fd in self.files:
            os.close(fd)
        self.files = []


def send(connection: socket.socket, request: bytes, files: Sequence[int]) -> None:
    """Send a request; one byte carries each group of files."""
    frame = len(request).to_bytes(LENGTH_BYTES, "little") + request
    sent = 0
    for start in range(0, len(files), MOST_FILES):
        group = files[start : start + MOST_FILES]
        packed = struct.pack(f"{len(group)}i", *group)
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, packed)]
        sent += connection.sendmsg([frame[sent : sent + 1]], rights)
    connection.sendall(frame[sent:])
