"""What is asked, and what became of each request. Pure; times are monotonic seconds, which all processes share."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Shape(StrEnum):
    """How an answer is asked for: one HTTP request each, or messages over a WebSocket that stays."""

    HTTP = "http"
    WEBSOCKET = "websocket"


@dataclass(frozen=True)
class Kind:
    """One kind of requests. `share` is its part of the rate beside the other kinds' shares.

    `lasts_s` is how long the application takes for an answer by its own will: it is no delay. An answer that does not
    end with `ends_with` is cut, however well it is framed. Of a WebSocket, a message is a request and its echo the
    answer.
    """

    name: str
    path: str
    share: float
    lasts_s: float = 0.0
    ends_with: str = ""
    shape: Shape = Shape.HTTP


SHORT = Kind("short", "/short", 150)
LONG = Kind("long", "/long", 10, lasts_s=2.0)
STREAM = Kind("stream", "/stream", 10, lasts_s=2.0, ends_with="end\n")
WEBSOCKET = Kind("websocket", "/ws", 30, shape=Shape.WEBSOCKET)
KINDS = (SHORT, LONG, STREAM, WEBSOCKET)


class Outcome(StrEnum):
    """What became of a request.

    `closed`: the server said with a close frame that this WebSocket ends (codes 1000, 1001, 1012), and the message was
    not answered before: the client knows, and may send it again elsewhere. It is neither answered nor lost.
    """

    OK = "ok"
    REFUSED = "refused"
    CUT = "cut"
    SERVER_ERROR = "5xx"
    NOT_FOUND = "404"
    OTHER_STATUS = "other status"
    TIMED_OUT = "timed out"
    CLOSED = "closed"

    @property
    def failed(self) -> bool:
        return self not in (Outcome.OK, Outcome.CLOSED)


@dataclass(frozen=True)
class Request:
    """One request: when it was due, when the loop came to it, when its end was known.

    `version` is what the answer said of the code that gave it (header `X-Version`; the word before a WebSocket's echo).
    """

    kind: str
    due_s: float
    began_s: float
    done_s: float
    outcome: Outcome
    status: int | None = None
    version: str | None = None
    error: str | None = None

    @property
    def latency_s(self) -> float:
        return self.done_s - self.due_s

    def to_line(self) -> str:
        return json.dumps(list(self.__dict__.values())) + "\n"

    @classmethod
    def from_line(cls, line: str) -> Request:
        kind, due_s, began_s, done_s, outcome, *rest = json.loads(line)
        return cls(kind, due_s, began_s, done_s, Outcome(outcome), *rest)


@dataclass(frozen=True)
class Settings:
    """What the loop asks: `rate` requests a second over all kinds, at `host`:`port`.

    A request that is not answered `timeout_s` after it was due (and after what its kind lasts) has timed out.
    """

    host: str
    port: int
    rate: float = 200.0
    kinds: tuple[Kind, ...] = field(default=KINDS)
    timeout_s: float = 40.0

    def rate_of(self, kind: Kind) -> float:
        """Requests a second of one kind."""
        return self.rate * kind.share / sum(each.share for each in self.kinds)

    def to_json(self) -> str:
        kinds = [kind.__dict__ for kind in self.kinds]
        return json.dumps({**self.__dict__, "kinds": kinds})

    @classmethod
    def from_json(cls, text: str) -> Settings:
        raw: dict[str, Any] = json.loads(text)
        kinds = tuple(Kind(**{**kind, "shape": Shape(kind["shape"])}) for kind in raw.pop("kinds"))
        return cls(kinds=kinds, **raw)
