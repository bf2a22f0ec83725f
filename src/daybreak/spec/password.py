"""A password in a file of the user's own: one line, which no message here repeats."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from daybreak.files import open_regular

MOST_BYTES = 4096


def read_password(file: Path) -> str:
    """What the file holds, without its line end. Raises OSError where it cannot be read, ValueError where it holds no
    password."""
    with open(open_regular(file, links=True), "rb") as opened:
        raw = opened.read(MOST_BYTES + 1)
    if len(raw) > MOST_BYTES:
        raise ValueError(f"{file} is longer than a password")
    try:
        text = raw.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise ValueError(f"{file} holds no text") from None
    if not text:
        raise ValueError(f"{file} is empty: write the password into it")
    if any(unicodedata.category(character) == "Cc" for character in text):
        raise ValueError(f"{file} holds a second line or a control character: a password is one line")
    return text
