"""A command whose keeper is killed: another one finishes what was begun, and says how it ended."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daybreak.api.requests import MOST_KEEPERS, request
from daybreak.errors import DaybreakError, Interrupted
from daybreak.keeper.control import client
from daybreak.paths import ClusterPaths

GONE = "gone"


class Keepers:
    """Answers each request with the next of `answers`: a result, an error, or that the keeper went away."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []
        self.cancelled = False

    @contextlib.contextmanager
    def request(self, _: ClusterPaths, op: str, **__: Any) -> Iterator[Any]:
        self.asked.append(op)
        yield self

    def __iter__(self) -> Iterator[dict[str, Any]]:
        answer = self.answers.pop(0)
        if answer == GONE:
            raise client.KeeperGone("the keeper went away while it was working")
        if isinstance(answer, BaseException):
            raise answer
        yield {"result": answer}

    def cancel(self) -> None:
        self.cancelled = True


@pytest.fixture
def paths(tmp_path: Path) -> ClusterPaths:
    return ClusterPaths("shop", tmp_path / "state", tmp_path / "run")


def asked(monkeypatch: pytest.MonkeyPatch, paths: ClusterPaths, keepers: Keepers, op: str, **fields: Any) -> Any:
    monkeypatch.setattr(client, "request", keepers.request)
    return request(paths, op, fields, None)


def test_a_restart_is_finished_and_not_begun_again(monkeypatch: pytest.MonkeyPatch, paths: ClusterPaths) -> None:
    keepers = Keepers(GONE, GONE, {"finished": os.getpid(), "status": "ready"})
    assert asked(monkeypatch, paths, keepers, "apply", restart=True)["status"] == "ready"
    assert keepers.asked == ["apply", "finish", "finish"]


def test_a_restart_of_which_the_next_keeper_knows_nothing_had_not_begun(
    monkeypatch: pytest.MonkeyPatch, paths: ClusterPaths
) -> None:
    for finished in (None, 1):
        keepers = Keepers(GONE, {"finished": finished}, {"status": "ready"})
        assert asked(monkeypatch, paths, keepers, "rollback") == {"status": "ready"}
        assert keepers.asked == ["rollback", "finish", "rollback"]


def test_what_changes_nothing_where_all_is_so_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch, paths: ClusterPaths
) -> None:
    keepers = Keepers(GONE, {"finished": None}, {"status": "ready"})
    assert asked(monkeypatch, paths, keepers, "apply", workers=3) == {"status": "ready"}
    assert keepers.asked == ["apply", "finish", "apply"]
    keepers = Keepers(GONE, {})
    asked(monkeypatch, paths, keepers, "down")
    assert keepers.asked == ["down", "down"]


def test_what_cannot_be_finished_is_the_commands_failure(monkeypatch: pytest.MonkeyPatch, paths: ClusterPaths) -> None:
    with pytest.raises(DaybreakError, match="not ready"):
        asked(monkeypatch, paths, Keepers(GONE, DaybreakError("web-2 was not ready")), "apply")


def test_a_keeper_that_is_killed_again_and_again_is_told(monkeypatch: pytest.MonkeyPatch, paths: ClusterPaths) -> None:
    keepers = Keepers(*[GONE] * 20)
    with pytest.raises(client.KeeperGone):
        asked(monkeypatch, paths, keepers, "apply", restart=True)
    assert keepers.asked == ["apply", *["finish"] * MOST_KEEPERS]


def test_what_was_interrupted_is_not_finished_for_the_command(
    monkeypatch: pytest.MonkeyPatch, paths: ClusterPaths
) -> None:
    keepers = Keepers(KeyboardInterrupt(), GONE)
    with pytest.raises(Interrupted, match="before it had taken down"):
        asked(monkeypatch, paths, keepers, "apply")
    assert keepers.cancelled
    assert keepers.asked == ["apply"]
