"""A webhook: an address that is often a secret as a whole, so no message here repeats any of it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from daybreak.files import open_regular

WEBHOOK_PATTERN = r"^https?://"
EXAMPLE = "https://hooks.example.com/services/T0/B0"
NO_URL = f"must be a URL with a host, and a port up to 65535, such as {EXAMPLE}"
MOST_BYTES = 8192


def is_url(text: str) -> bool:
    """Is it an address that can be asked for?"""
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return good and text.isascii() and text.isprintable() and " " not in text


def read_url(file: Path) -> str:
    """The URL that a file holds. Raises OSError where it cannot be read, ValueError where it holds none."""
    with open(open_regular(file, links=True), "rb") as opened:
        raw = opened.read(MOST_BYTES + 1)
    text = raw.decode(errors="replace").strip()
    if len(raw) > MOST_BYTES or not is_url(text):
        raise ValueError(f"{file} holds no URL, such as {EXAMPLE}")
    return text


def host_of(url: str) -> str:
    """What of it may be shown."""
    return urlsplit(url).hostname or ""
