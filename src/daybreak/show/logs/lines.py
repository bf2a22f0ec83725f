"""Complete lines of one file, in pieces: neither the file nor a line of it is ever held as a whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from daybreak.files import open_log

BLOCK_BYTES = 64 * 1024
LONGEST_BYTES = 8 * 1024
# Colours and cursor movement of a terminal, and titles of its window.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]+")


class Lines:
    """Reads on from an offset. What has no newline yet is kept back; a long line is cut, and says so."""

    def __init__(self, path: Path, offset: int = 0, *, in_the_middle: bool = False) -> None:
        """`in_the_middle`: the offset may lie within a line, whose rest is then left out."""
        self.path = path
        self.offset = offset
        self._begun = b""
        self._dropped = 0
        self._skip = in_the_middle

    @property
    def pending(self) -> bool:
        """Is there a line without its end?"""
        return bool(self._begun) and not self._skip

    def read(self, end: int) -> Iterator[str]:
        """The lines that are complete before the offset `end`; fewer where the file is shorter, or gone."""
        while self.offset < end:
            block = read_block(self.path, self.offset, min(BLOCK_BYTES, end - self.offset))
            if not block:
                return
            self.offset += len(block)
            first, *others = block.split(b"\n")
            self._add(first)
            for piece in others:
                if not self._skip:
                    yield self._taken()
                self._begun, self._dropped, self._skip = b"", 0, False
                self._add(piece)

    def rest(self) -> Iterator[str]:
        """The line without its end, where there is one: nobody goes on with it."""
        if self.pending:
            yield self._taken()
        self._begun, self._dropped = b"", 0

    def _add(self, piece: bytes) -> None:
        room = LONGEST_BYTES - len(self._begun)
        self._begun += piece[:room]
        self._dropped += max(0, len(piece) - room)

    def _taken(self) -> str:
        text = clean(self._begun)
        return f"{text} ... (+{self._dropped} bytes)" if self._dropped else text


def read_block(path: Path, offset: int, size: int) -> bytes:
    """Bytes of a file; empty past its end, or where it is gone. Nothing stays open: there may be thousands."""
    try:
        with open(open_log(path), "rb", buffering=0) as file:
            file.seek(offset)
            return file.read(size)
    except OSError:
        return b""


def clean(raw: bytes) -> str:
    """A line as it may be shown: no escape sequences, no control characters, a progress bar in its last state."""
    text = raw.decode(errors="replace").rstrip("\r")
    if "\r" in text:
        text = text.rpartition("\r")[2]
    if text.isprintable():
        return text
    text = _ESCAPES.sub("", text)
    return _CONTROLS.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    run = found[0]
    if len(run) > 8:
        return f"\\x{ord(run[0]):02x}...({len(run)} control characters)"
    return "".join(f"\\x{ord(character):02x}" for character in run)
