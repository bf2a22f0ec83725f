"""What went through HAProxy, Serve's door, from the statistics it writes as CSV. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field

# Ray's template gives Serve's HTTP door this name.
FRONTEND = "http_frontend"
CODES = ("1xx", "2xx", "3xx", "4xx", "5xx", "other")


@dataclass(frozen=True)
class Traffic:
    """Since HAProxy started: requests, responses by class of status code, errors by kind, bytes; and sessions now.

    `errors` has `request` (broken requests of clients), `connection` (no replica could be reached) and `response` (a
    replica broke off).
    """

    requests: int
    responses: Mapping[str, int] = field(default_factory=dict)
    errors: Mapping[str, int] = field(default_factory=dict)
    bytes_in: int = 0
    bytes_out: int = 0
    sessions: int = 0


def parse(text: str) -> Traffic | None:
    """The traffic of Serve's door; None where the text is no such statistics, or does not have it."""
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("# "))))
    door = next((row for row in rows if row.get("pxname") == FRONTEND and row.get("svname") == "FRONTEND"), None)
    if door is None:
        return None
    behind = [row for row in rows if row.get("svname") == "BACKEND"]
    return Traffic(
        requests=_number(door, "req_tot"),
        responses={code: _number(door, f"hrsp_{code}") for code in CODES},
        errors={
            "request": _number(door, "ereq"),
            "connection": sum(_number(row, "econ") for row in behind),
            "response": sum(_number(row, "eresp") for row in behind),
        },
        bytes_in=_number(door, "bin"),
        bytes_out=_number(door, "bout"),
        sessions=_number(door, "scur"),
    )


def _number(row: Mapping[str, str], key: str) -> int:
    value = row.get(key) or "0"
    return int(value) if value.isdigit() else 0
