"""A pause: requests wait, or get a page, because somebody has asked for it. Kept in a file until it is ended."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daybreak.errors import UsageError
from daybreak.files import read_book, write_private

# In a file of JSON, where four characters stand for three bytes, and in the gateway's memory.
MOST_PAGE_BYTES = 1024 * 1024
CONTENT_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+(; ?charset=[\w.-]+)?", re.ASCII)


@dataclass(frozen=True)
class Page:
    """What every request gets with 503."""

    content_type: str
    content: bytes

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Page:
        """From `content_type` and `content` (base64). Raises UsageError."""
        kind = raw.get("content_type")
        if not isinstance(kind, str) or not CONTENT_TYPE.fullmatch(kind):
            raise UsageError(f"no content type of a page: {kind!r}")
        try:
            content = base64.b64decode(str(raw.get("content")), validate=True)
        except ValueError as error:
            raise UsageError(f"the page cannot be read: {error}") from error
        if len(content) > MOST_PAGE_BYTES:
            raise UsageError(f"a page has at most {MOST_PAGE_BYTES} bytes, not {len(content)}")
        return cls(kind, content)

    def to_json(self) -> dict[str, str]:
        return {"content_type": self.content_type, "content": base64.b64encode(self.content).decode()}


@dataclass(frozen=True)
class Pause:
    """Since when (seconds since 1970), and the page that is answered meanwhile; without one requests wait."""

    since: float
    page: Page | None = None

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Pause:
        """Raises UsageError for what is none."""
        since, page = raw.get("since"), raw.get("page")
        if not isinstance(since, int | float) or not isinstance(page, dict | None):
            raise UsageError("no pause")
        return cls(since, Page.from_json(page) if page else None)

    def to_json(self) -> dict[str, Any]:
        return {"since": self.since, "page": self.page.to_json() if self.page else None}


class PauseBook:
    """The pause of one cluster, if there is one; a new keeper finds it again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self.now: Pause | None = Pause.from_json(read_book(path))
        except UsageError:
            self.now = None

    def begin(self, pause: Pause) -> None:
        """Raises OSError where it cannot be kept."""
        write_private(self._path, json.dumps(pause.to_json()), durable=True)
        self.now = pause

    def end(self) -> None:
        """Raises OSError where the file cannot be deleted."""
        self._path.unlink(missing_ok=True)
        self.now = None
