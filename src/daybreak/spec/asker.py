"""Who wants a spec read: a command, whose folder and variables count wherever it is read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Asker:
    """Its current folder, which names of files are told from (None for this process's), and its environment."""

    folder: str | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)


_asker: ContextVar[Asker | None] = ContextVar("_asker", default=None)


def asker() -> Asker:
    """This process, where nobody else has asked it."""
    return _asker.get() or Asker()


@contextmanager
def on_behalf_of(another: Asker) -> Iterator[None]:
    """Meanwhile specs are read as that one would read them."""
    before = _asker.set(another)
    try:
        yield
    finally:
        _asker.reset(before)
