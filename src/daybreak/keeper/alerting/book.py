"""What is wrong and was told, and what is still to be told: kept for the keeper that comes after this one."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daybreak.files import read_book, write_private
from daybreak.keeper.alerting.alert import Alert, Message

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Kept:
    """What a file holds: `waiting` are the messages of each destination that have not arrived."""

    firing: tuple[Alert, ...] = ()
    waiting: Mapping[str, Sequence[Message]] = field(default_factory=dict)


class AlertBook:
    """One cluster's file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._failed = False

    def load(self) -> Kept:
        """Nothing where there is none, or nobody can read it."""
        raw = read_book(self._path)
        try:
            firing = tuple(Alert.from_json(one) for one in raw.get("firing", ()))
            return Kept(firing, {str(name): _messages(some) for name, some in raw.get("waiting", {}).items()})
        except (ValueError, KeyError, TypeError, AttributeError):
            log.warning("%s cannot be read: what was told before is told again", self._path)
            return Kept()

    def save(self, firing: Iterable[Alert], waiting: Mapping[str, Sequence[Message]]) -> None:
        """On a full disk alerts go on; a later keeper would tell them again."""
        if not self._path.parent.is_dir():
            return  # somebody has deleted the cluster's folder
        kept: dict[str, Any] = {"firing": [alert.to_json() for alert in firing], "waiting": dict(waiting)}
        try:
            write_private(self._path, json.dumps(kept, indent=1))
            self._failed = False
        except OSError as error:
            if not self._failed:
                log.warning("%s cannot be written: %s", self._path, error.strerror)
            self._failed = True


def _messages(raw: Any) -> list[Message]:
    """Raises ValueError for what is none."""
    if not all(isinstance(one, dict) and "text" in one for one in raw):
        raise ValueError("no messages")
    return list(raw)
