"""What a cluster or service may be called. No imports that cost time: every command needs a cluster's name."""

from __future__ import annotations

import re

NAME_PATTERN = r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$"
NAME_RULE = (
    "use at most 40 lower-case letters, digits and '-', beginning and ending with a letter or digit, such as my-cluster"
)

_LONGEST = 40
_NOT_ALLOWED = re.compile(r"[^a-z0-9]+")


def is_name(text: str) -> bool:
    """Whether `text` is a valid name."""
    # `$` alone would also accept a newline at the end.
    return re.fullmatch(NAME_PATTERN, text) is not None and not text.endswith("\n")


def as_name(text: str) -> str:
    """The valid name nearest to `text`; `cluster` where nothing usable is left."""
    return _NOT_ALLOWED.sub("-", text.lower()).strip("-")[:_LONGEST].strip("-") or "cluster"
