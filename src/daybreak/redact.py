"""A cluster's secrets do not leave it in what is shown: logs, errors, the page.

Ray and the applications may log what they were given. Their own files stay as they are.
"""

from __future__ import annotations

import re
from pathlib import Path

from daybreak.paths import HANDED, OF_SECRETS, runtime_of

# A shorter word could stand in any line; those that are made here are longer.
SHORTEST = 8
SHOWN = "********"


class Redaction:
    """Replaces the secrets in a cluster's folder of secrets, and those that the user has it hand over, wherever they
    stand in a line. The files are read once."""

    def __init__(self, folder: Path) -> None:
        words = sorted(_words(folder) | _handed(runtime_of(folder.parent) / HANDED), key=len, reverse=True)
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


def _handed(folder: Path) -> set[str]:
    """Each line of what services are handed: a certificate's key is shown in none of its lines."""
    found = set()
    try:
        texts = [path.read_text() for path in folder.glob(f"{OF_SECRETS}*/*")]
    except (OSError, ValueError):
        return set()
    for text in texts:
        found |= {line for line in map(str.strip, text.splitlines()) if len(line) >= SHORTEST}
    return found
