"""What `status` shows after events that come late, or for services that nobody wants any more."""

from __future__ import annotations

from typing import Any

import pytest

from daybreak.timeline.board import Board
from daybreak.timeline.event import Event, Kind
from tests.unit.helpers import service


def tell(board: Board, kind: Kind, name: str | None, **data: Any) -> None:
    board.apply(Event(kind, 0.0, 0.0, name, None, data))


def states(board: Board) -> dict[str, str]:
    return {name: row.state for name, row in board.rows.items()}


def test_a_service_that_only_came_to_run_is_not_ready_until_somebody_saw_it() -> None:
    board = Board()
    board.want((service("head"), service("postgres")))
    tell(board, Kind.ADOPTED, "head", ready=False)
    tell(board, Kind.ADOPTED, "postgres")
    assert states(board) == {"head": "starting", "postgres": "ready"}
    tell(board, Kind.READY, "head", after_s=1.0)
    assert states(board) == {"head": "ready", "postgres": "ready"}


@pytest.mark.parametrize("kind", [Kind.EXITED, Kind.BACKING_OFF])
def test_what_had_crashed_and_is_not_wanted_any_more_leaves_no_row(kind: Kind) -> None:
    board = Board()
    board.want((service("head"), service("looping")))
    tell(board, kind, "looping")
    board.want((service("head"),))
    assert list(board.rows) == ["head"]
    tell(board, Kind.BACKING_OFF, "looping", restarts=3)
    assert list(board.rows) == ["head"]


def test_what_still_runs_keeps_its_row_until_it_has_stopped() -> None:
    board = Board()
    board.want((service("head"), service("old")))
    tell(board, Kind.READY, "old")
    board.want((service("head"),))
    assert states(board) == {"head": "stopped", "old": "ready"}
    tell(board, Kind.STOPPED, "old")
    assert list(board.rows) == ["head"]


def test_what_still_waits_when_a_run_ends_is_not_starting() -> None:
    board = Board()
    board.want((service("serve"), service("mine"), service("head")))
    tell(board, Kind.READY, "head", after_s=1.0)
    tell(board, Kind.FAILED, "serve", reason="no")
    tell(board, Kind.WAITING, "mine", **{"for": ["serve"]})
    tell(board, Kind.RUN_ENDED, None, outcome="failed")
    assert states(board) == {"serve": "failed", "mine": "stopped", "head": "ready"}
    assert board.rows["mine"].reason == "not started"


def test_what_failed_keeps_its_reason_while_it_is_taken_down_and_the_others_name_it() -> None:
    board = Board()
    board.want((service("head"), service("serve")))
    tell(board, Kind.READY, "head", after_s=1.0)
    tell(board, Kind.STARTING, "serve")
    tell(board, Kind.FAILED, "serve", reason="No module named app", tail=["1", "2"])
    for name in ("serve", "head"):
        tell(board, Kind.STOPPING, name, why="serve failed")
        tell(board, Kind.STOPPED, name)
    serve, head = board.rows["serve"], board.rows["head"]
    assert (serve.state, serve.reason, serve.tail) == (
        "failed",
        "No module named app",
        ("1", "2"),
    )
    assert (head.state, head.reason) == ("stopped", "serve failed")
    tell(board, Kind.STARTING, "serve")
    serve = board.rows["serve"]
    assert (serve.state, serve.reason, serve.tail) == ("starting", "", ())


def test_what_failed_and_was_taken_down_goes_when_nobody_wants_it_any_more() -> None:
    board = Board()
    board.want((service("head"), service("serve")))
    tell(board, Kind.FAILED, "serve", reason="no")
    tell(board, Kind.STOPPED, "serve")
    board.want((service("head"),))
    assert list(board.rows) == ["head"]


def test_what_has_completed_is_as_it_should_be_also_for_the_next_keeper() -> None:
    board = Board()
    board.want((service("head"), service("migrate")))
    tell(board, Kind.READY, "migrate", after_s=0.1)
    tell(board, Kind.COMPLETED, "migrate")
    row = board.rows["migrate"]
    assert (row.state, row.reason, row.health, row.pid) == ("completed", "", "", None)
    later = Board()
    later.want((service("head"), service("migrate")))
    tell(later, Kind.ADOPTED, "migrate", ready=True, done=True)
    assert later.rows["migrate"].state == "completed"
    later.want((service("head"),))
    tell(later, Kind.STOPPED, "migrate")
    assert list(later.rows) == ["head"]


def test_the_worse_of_what_checks_and_serve_itself_tell_is_shown() -> None:
    board = Board()
    board.want((service("serve"),))

    def said() -> tuple[str, str]:
        row = board.rows["serve"]
        return row.health, row.reason

    tell(board, Kind.SERVING, "serve", status="unhealthy", reason="too early")
    assert said() == ("", "")
    tell(board, Kind.READY, "serve", after_s=1.0)
    tell(board, Kind.SERVING, "serve", status="degraded", reason="1 of 2 replicas run")
    assert said() == ("degraded", "1 of 2 replicas run")
    tell(board, Kind.HEALTH, "serve", status="failing", reason="no answer (1/12)")
    assert said() == ("failing", "no answer (1/12)")
    tell(board, Kind.HEALTH, "serve", status="healthy", reason="")
    assert said() == ("degraded", "1 of 2 replicas run")
    tell(board, Kind.SERVING, "serve", status="unknown", reason="nobody tells")
    assert said() == ("healthy", "")
    tell(board, Kind.STARTING, "serve")
    tell(board, Kind.READY, "serve", after_s=1.0)
    tell(board, Kind.HEALTH, "serve", status="healthy", reason="")
    assert said() == ("healthy", "")
