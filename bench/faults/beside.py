"""What is done by a thread beside a fault, for as long as a `with` block lasts."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Beside(ABC):
    """`go_on` runs in the thread until `over` is set. Its end is waited for, no longer than `patience_s` if given."""

    patience_s: float | None = None

    def __init__(self) -> None:
        self.over = threading.Event()
        self._thread = threading.Thread(target=self.go_on, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.over.set()
        self._thread.join(self.patience_s)

    @abstractmethod
    def go_on(self) -> None:
        """The thread's work."""
