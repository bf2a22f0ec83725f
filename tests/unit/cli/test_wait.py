"""What `wait` takes for ready."""

from __future__ import annotations

from typing import Any

from daybreak.cli.wait import _judge
from daybreak.timeline.status import Snapshot


def snapshot(**row: Any) -> Snapshot:
    serve = {"name": "serve", "state": "ready", "health": "healthy", "reason": "", **row}
    return Snapshot.from_json({"name": "it", "run": None, "services": [serve]})


def test_applications_that_serve_calls_unhealthy_are_waited_for_with_their_reason() -> None:
    judge = _judge("serve", stopped=False)
    assert judge(snapshot()) is None
    why = "App is UNHEALTHY: ValueError: no (app.py:3)"
    assert judge(snapshot(health="unhealthy", reason=why)) == f"serve is unhealthy: {why}"


def test_degraded_applications_answer() -> None:
    assert _judge("serve", stopped=False)(snapshot(health="degraded", reason="1 of 2 replicas run")) is None
