"""A restore of several databases: all is loaded beside what is there, then each takes its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from daybreak.errors import DaybreakError, Interrupted

AS_BEFORE = "nothing was replaced: the databases hold what they held before"


class Restore(Protocol):
    """Of one database server."""

    def effects(self) -> list[str]:
        """What it will replace, in words."""

    def stage(self) -> None:
        """Load everything beside what is there."""

    def commit(self) -> None:
        """Let it take the place of what is there."""

    def finish(self) -> None:
        """Drop what was replaced."""

    def abandon(self) -> bool:
        """Leave nothing of what has not taken its place; whether it has."""


def carry_out(restores: Mapping[str, Restore], note: Callable[[str], None]) -> None:
    """Restore each server, by its name. Where that fails, the error says in its aftermath what holds what.

    Raises DaybreakError, and Interrupted for Ctrl-C.
    """
    try:
        for one in restores.values():
            one.stage()
        for one in restores.values():
            one.commit()
    except (DaybreakError, OSError, KeyboardInterrupt) as error:
        told = _told(error)
        after = _abandoned(restores)
        told.aftermath = "; ".join(filter(None, (after, told.aftermath)))
        raise told from None
    for name, one in restores.items():
        try:
            one.finish()
        except DaybreakError as error:
            note(f"{name}: what was replaced is still stored: {error.message}")


def _told(error: BaseException) -> DaybreakError:
    match error:
        case DaybreakError():
            return error
        case KeyboardInterrupt():
            return Interrupted("the restore was interrupted")
    return DaybreakError(f"the restore failed: {error}")


def _abandoned(restores: Mapping[str, Restore]) -> str:
    """What holds what."""
    replaced = [name for name, one in restores.items() if one.abandon()]
    if not replaced:
        return AS_BEFORE
    rest = [name for name in restores if name not in replaced]
    others = f", {' and '.join(rest)} what was there before" if rest else ""
    return f"{' and '.join(replaced)} now holds what the backup has{others}"
