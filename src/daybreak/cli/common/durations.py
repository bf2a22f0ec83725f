"""Durations as options give them."""

from __future__ import annotations

from daybreak.errors import UsageError
from daybreak.spec import parse_seconds


def seconds_of(option: str, text: str) -> float:
    """Raises UsageError, which names the option, for what is no duration."""
    try:
        return parse_seconds(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from error
