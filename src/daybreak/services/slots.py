"""The two places in which the app tier runs in turn, so that one generation can start beside another one. Pure.

A slot has its own ports and runtime folders. The first generation is in slot A; only `restart` by the way *replace*
goes to the other one.
"""

from __future__ import annotations

from enum import StrEnum


class Slot(StrEnum):
    """One of the two."""

    A = "a"
    B = "b"

    @property
    def other(self) -> Slot:
        return Slot.B if self is Slot.A else Slot.A

    @property
    def prefix(self) -> str:
        """What names of ports begin with where they are kept; nothing in the first slot."""
        return "" if self is Slot.A else f"{self}."

    @property
    def suffix(self) -> str:
        """What names of files and folders end with; nothing in the first slot."""
        return "" if self is Slot.A else f".{self}"
