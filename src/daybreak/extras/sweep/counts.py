"""Numbers of workers as people write them: `1..8`, `1,2,4,8`, `1..4,8`. Pure."""

from __future__ import annotations

import re

from daybreak.names import MOST_WORKERS

_PART = re.compile(r"([0-9]{1,4})(?:\.\.([0-9]{1,4}))?")
_ACCEPTED = "give numbers of workers such as 1..8, 1,2,4,8 or 1..4,8"


def parse_counts(text: str) -> list[int]:
    """The numbers in the order given, each once. Raises ValueError with what is accepted."""
    found: list[int] = []
    for part in text.split(","):
        match = _PART.fullmatch(part.strip())
        if not match:
            raise ValueError(f"{_ACCEPTED}; not '{text}'")
        first, last = int(match[1]), int(match[2] or match[1])
        if first > last:
            raise ValueError(f"{_ACCEPTED}; '{part.strip()}' counts down")
        if last > MOST_WORKERS:
            raise ValueError(f"at most {MOST_WORKERS} workers; not {last}")
        found += range(first, last + 1)
    return list(dict.fromkeys(found))
