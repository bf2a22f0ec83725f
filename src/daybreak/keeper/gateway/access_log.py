"""The access log: one JSON object for each request, from the lines that the gateway writes, where the spec wants that.

Without what stands behind a `?`: that is where secrets are in addresses.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from daybreak.keeper.gateway.request_line import NOTHING, Ending, fields, parse

LEVELS = {Ending.FAILED: "error", Ending.ERROR: "error"}
FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
log = logging.getLogger(__name__)


class AccessLog:
    """Appends to one file (mode 0600), which others may rotate or delete at any time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._trouble = ""

    def take(self, lines: Iterable[bytes]) -> None:
        """Write these; what is no line of a request is left out, and on a full disk all of them are."""
        text = "".join(json.dumps(found) + "\n" for found in map(entry, lines) if found)
        if not text:
            return
        trouble = ""
        try:
            with open(os.open(self._path, FLAGS, 0o600), "ab", buffering=0) as file:
                file.write(text.encode())
        except OSError as error:
            trouble = str(error)
        if trouble and trouble != self._trouble:
            log.warning("requests are missing in the access log: %s", trouble)
        self._trouble = trouble


def entry(line: bytes) -> dict[str, Any] | None:
    """What is told of one request; None for what is no line of one. `client` is an address."""
    request = parse(line)
    if request is None:
        return None
    parts = fields(line) or []
    path, _, client = parts[-1].rpartition(b"\t")
    return {
        "time": datetime.fromtimestamp(request.ended_ms / 1000, UTC).isoformat(timespec="milliseconds"),
        "level": LEVELS.get(request.ending, "info"),
        "client": _text(client),
        "method": _text(parts[10]),
        "path": _text(path),
        "status": int(parts[3]),
        "ms": int(parts[5]),
        "held_ms": request.held_ms,
        "bytes": int(parts[8]) if parts[8].isdigit() else None,
        "application": request.application,
        # How HAProxy says that it ended; `--` is as it should be.
        "ended": _text(parts[4]),
    }


def _text(value: bytes) -> str | None:
    return None if value in NOTHING else value.decode("utf-8", "replace")
