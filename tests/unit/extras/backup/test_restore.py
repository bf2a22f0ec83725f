"""A restore of several servers: nothing is replaced before everything has come, and what holds what is told."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from daybreak.errors import DaybreakError, Interrupted
from daybreak.extras.backup.restore import AS_BEFORE, carry_out


@dataclass
class Fake:
    """Notes what is asked of it, and fails in one step."""

    name: str
    log: list[str]
    fails: str = ""
    error: BaseException = field(default_factory=lambda: DaybreakError("no"))
    replaced: bool = False

    def effects(self) -> list[str]:
        return []

    def stage(self) -> None:
        self._do("stage")

    def commit(self) -> None:
        self._do("commit")
        self.replaced = True

    def finish(self) -> None:
        self._do("finish")

    def abandon(self) -> bool:
        self._do("abandon")
        return self.replaced

    def _do(self, step: str) -> None:
        self.log.append(f"{step} {self.name}")
        if step == self.fails:
            raise self.error


def restored(log: list[str], notes: list[str] | None = None, **failing: Fake) -> None:
    both = {name: failing.get(name, Fake(name, log)) for name in ("postgres", "redis")}
    carry_out(both, (notes if notes is not None else []).append)


def test_all_is_loaded_before_anything_is_replaced() -> None:
    log: list[str] = []
    restored(log)
    assert log == [f"{step} {name}" for step in ("stage", "commit", "finish") for name in ("postgres", "redis")]


@pytest.mark.parametrize("error", [DaybreakError("no"), OSError("no"), KeyboardInterrupt()])
def test_what_fails_while_it_is_loaded_replaces_nothing(error: BaseException) -> None:
    log: list[str] = []
    with pytest.raises(DaybreakError) as caught:
        restored(log, redis=Fake("redis", log, "stage", error))
    assert caught.value.aftermath == AS_BEFORE
    assert isinstance(caught.value, Interrupted) == isinstance(error, KeyboardInterrupt)
    assert log == ["stage postgres", "stage redis", "abandon postgres", "abandon redis"]


def test_half_of_a_restore_is_told() -> None:
    log: list[str] = []
    error = DaybreakError("no")
    error.aftermath = "it does not start"
    with pytest.raises(DaybreakError) as caught:
        restored(log, redis=Fake("redis", log, "commit", error))
    assert caught.value.aftermath == (
        "postgres now holds what the backup has, redis what was there before; it does not start"
    )
    assert "finish postgres" not in log, "what it held is still there"


def test_what_cannot_be_tidied_up_is_no_failure() -> None:
    log: list[str] = []
    notes: list[str] = []
    restored(log, notes, postgres=Fake("postgres", log, "finish"))
    assert notes == ["postgres: what was replaced is still stored: no"]
    assert log[-1] == "finish redis"
