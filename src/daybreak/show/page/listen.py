"""The page's socket. It imports nothing of the page, so that it is there at once."""

from __future__ import annotations

import socket

from daybreak.show.page.source import Address

BACKLOG = 64


def bind(at: Address) -> socket.socket:
    """The page's socket, listening: who comes before the page answers waits, and is not refused. Raises OSError."""
    family = socket.AF_INET6 if ":" in at.listen else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((at.listen, at.port))
        made.listen(BACKLOG)
        made.setblocking(False)
    except BaseException:
        made.close()
        raise
    return made
