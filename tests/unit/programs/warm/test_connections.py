"""The template's socket where files have run out: its loop must not turn as fast as it can."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from daybreak.programs.warm import connections


class Short:
    """A socket whose connections cannot be taken, for one reason after another; then nobody waits."""

    def __init__(self, *numbers: int) -> None:
        self.numbers = list(numbers)

    def accept(self) -> Any:
        if self.numbers:
            raise OSError(self.numbers.pop(0), "no")
        raise BlockingIOError


def test_a_lack_of_files_is_told_once_and_each_attempt_is_followed_by_a_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = connections.Listener(str(tmp_path / "socket"))
    listener.socket.close()
    said: list[str] = []
    paused: list[float] = []
    monkeypatch.setattr("daybreak.programs.warm.connections.time.sleep", paused.append)
    short: Any = Short(errno.EMFILE, errno.EMFILE, errno.ECONNABORTED, errno.EMFILE, errno.ENFILE)
    listener.socket = short
    while short.numbers:
        assert listener.accept(said.append) == []
    assert len(paused) == 4
    assert len(said) == 2, "once for each reason"
