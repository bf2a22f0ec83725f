r"""The line that the gateway writes for each request. Pure.

    2 \t ended (ms since 1970) \t application \t status \t termination \t Ta \t Td \t held \t bytes \t server \t method
      \t path \t client

Ta is how long the request took, held time included, Td how long of that the answer took from its first byte to its last
(both in ms; -1 where there was none). The server is the slot that was asked. A gateway that an older daybreak has
started writes lines of version 1, which have none. Lines of version 3 end with one more part: what would be sent again
(`services/edge/line_format.py`).
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from daybreak.services.edge.repeating import asked

FIELDS = {b"1": 11, b"2": 12}
WITH_REQUEST, CLOSING = b"3\t", b" ."
SERVER = 9
SWITCHING_PROTOCOLS = 101
# Of an answer that takes longer than this to come whole, the time until it began counts: it is a stream.
STREAMED_MS = 1000
# What stands before the application says so: it could not be asked.
NOT_ANSWERED = (502, 503, 504)
LONGEST_NAME = 64
# An absent value, as HAProxy writes it.
NOTHING = (b"", b"-")


class Ending(Enum):
    """How a request ended."""

    ANSWERED = "answered"
    ERROR = "errors"  # an answer, which says that the application failed
    FAILED = "failed"  # no whole answer came from an application
    LEFT = "left"  # the client did not wait for it


class RequestLine(NamedTuple):
    """One request. `latency_ms` is how long the client waited: until it began where it `streams`, as WebSockets do.
    `failed` is the server that had been asked before."""

    ended_ms: int
    application: str
    ending: Ending
    latency_ms: int
    held_ms: int
    server: str = ""
    streams: bool = False
    failed: str = ""


def parse(line: bytes) -> RequestLine | None:
    """The request; None for what is no such line."""
    parts = fields(line)
    if parts is None:
        return None
    try:
        ended_ms, status, took_ms = int(parts[1]), int(parts[3]), int(parts[5])
        data_ms = 0 if parts[6] in NOTHING else max(int(parts[6]), 0)
        held_ms = 0 if parts[7] in NOTHING else max(int(parts[7]), 0)
    except ValueError:
        return None
    streams = status == SWITCHING_PROTOCOLS or data_ms > STREAMED_MS
    latency_ms = max(took_ms - data_ms if streams else took_ms, 0)
    application = parts[2].decode("ascii", "replace")[:LONGEST_NAME] or "-"
    server, failed = asked(parts[SERVER].decode("ascii", "replace")[:LONGEST_NAME])
    return RequestLine(ended_ms, application, ending(status, parts[4]), latency_ms, held_ms, server, streams, failed)


def fields(line: bytes) -> list[bytes] | None:
    """Its parts as of version 2, path and client together the last one; None for what is no such line."""
    if line.startswith(WITH_REQUEST):
        line = b"2\t" + line.rpartition(b"\t")[0].removeprefix(WITH_REQUEST)
    version = line.partition(b"\t")[0]
    count = FIELDS.get(version, 0)
    parts = line.split(b"\t", max(count - 1, 0))
    if not count or len(parts) != count:
        return None
    return parts if version == b"2" else [*parts[:SERVER], b"", *parts[SERVER:]]


def request_of(line: bytes) -> bytes:
    """What would be sent again, as the gateway wrote it: target, and headers. Empty where that is not told whole."""
    if not line.startswith(WITH_REQUEST):
        return b""
    found = line.rpartition(b"\t")[2]
    return found.removesuffix(CLOSING) if found.startswith(b"/") and found.endswith(CLOSING) else b""


def ending(status: int, state: bytes) -> Ending:
    """How a request ended, from its status and HAProxy's termination state, of which the first letter says who ended
    it, and the second one when."""
    who = state[:1]
    if who in (b"C", b"c"):
        return Ending.LEFT
    if status in NOT_ANSWERED or status < 0:
        return Ending.FAILED
    if who == b"-":
        return Ending.ERROR if status >= 500 else Ending.ANSWERED
    # Ended by the server or by HAProxy: with an error of HAProxy's own, or while the answer was being sent (D), or its
    # last part (L). A redirection, or what is wrong with a request, is an answer.
    return Ending.FAILED if status >= 500 or state[1:2] in (b"D", b"L") else Ending.ANSWERED
