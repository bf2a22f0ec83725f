"""The terminal as the prompt of a program that has stopped."""

from __future__ import annotations

import codecs
import os
import select
import socket
import sys
import threading

from daybreak.cli.dev.keys import LOOK_S
from daybreak.show.text import harmless


def converse(connection: socket.socket, stop: threading.Event) -> None:
    """Hand over lines and answers until the program goes on, or `stop`. The end of input (Ctrl-D) lets it go on."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    terminal = sys.stdin.fileno()
    asked = [terminal, connection.fileno()]
    with connection:
        while not stop.is_set():
            ready, _, _ = select.select(asked, [], [], LOOK_S)
            if connection.fileno() in ready:
                piece = _read(connection)
                if not piece:
                    return
                sys.stdout.write("\n".join(map(harmless, decoder.decode(piece).split("\n"))))
                sys.stdout.flush()
            if terminal in ready:
                line = os.read(terminal, 4096)
                if not line:
                    asked.remove(terminal)
                    connection.shutdown(socket.SHUT_WR)
                elif not _write(connection, line):
                    return


def _read(connection: socket.socket) -> bytes:
    try:
        return connection.recv(4096)
    except OSError:
        return b""


def _write(connection: socket.socket, line: bytes) -> bool:
    try:
        connection.sendall(line)
    except OSError:
        return False
    return True
