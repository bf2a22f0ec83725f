"""A cluster's secrets do not leave it in what is shown: logs, errors, the page.

Ray and the applications may log what they were given. Their own files stay as they are.
"""

from __future__ import annotations

import re
from pathlib import Path

# Shorter than any that is made here: a word like that could stand in any line.
SHORTEST = 12
SHOWN = "********"


class Redaction:
    """Replaces the secrets in a folder, wherever they stand in a line. The files are read once."""

    def __init__(self, folder: Path) -> None:
        words = sorted(_words(folder), key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, words))) if words else None

    def __call__(self, text: str) -> str:
        return self._pattern.sub(SHOWN, text) if self._pattern else text


def _words(folder: Path) -> set[str]:
    """Passwords and tokens. Files that hold one among other words, such as a URL, have it from a file of its own."""
    found = set()
    try:
        files = [path for path in folder.iterdir() if path.is_file()]
    except OSError:
        return set()
    for path in files:
        try:
            word = path.read_text().strip()
        except (OSError, ValueError):
            continue
        if len(word) >= SHORTEST and re.fullmatch(r"[^\s:/@]+", word):
            found.add(word)
    return found
