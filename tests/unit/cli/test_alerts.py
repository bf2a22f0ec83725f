"""`daybreak alerts`: what it prints, and its exit code."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from daybreak import api
from daybreak.cli.alerts import alerts
from daybreak.cli.status import table
from daybreak.states import ClusterState
from daybreak.timeline.status import ServiceStatus, Snapshot

FIRING = {"what": "head-down", "title": "Ray's head is down", "reason": "crashed: code 1", "since": 0.0}
HOOK = {"to": "the webhook at x", "waiting": 0, "trouble": ""}
TROUBLE = {"to": "the webhook at x", "waiting": 2, "trouble": "alerts do not reach the webhook at x: HTTP 500"}


def typed(monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any], *words: str) -> tuple[Result, int]:
    monkeypatch.setattr(api, "resolve_name", lambda name: name or "shop")
    monkeypatch.setattr(api, "alerts", lambda name, *, test: answer)
    done = CliRunner().invoke(alerts, words, standalone_mode=False)
    return done, done.return_value


def test_it_lists_what_fires_and_who_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    done, code = typed(monkeypatch, {"firing": [FIRING], "destinations": [TROUBLE]})
    assert (code, done.stdout.split("  ")[0], done.stdout.split("  ")[-1]) == (
        0,
        "head-down",
        "Ray's head is down: crashed: code 1\n",
    )
    assert done.stderr.splitlines() == [
        "told to the webhook at x",
        "alerts do not reach the webhook at x: HTTP 500; 2 messages waiting",
    ]
    done, code = typed(monkeypatch, {"firing": [], "destinations": []})
    assert (code, done.stdout) == (0, "")
    assert done.stderr.splitlines() == ["nothing is wrong with shop", "nobody is told: the spec has no `alerts`"]


@pytest.mark.parametrize("arrived", [True, False])
def test_a_test_ends_with_0_only_where_it_has_arrived(monkeypatch: pytest.MonkeyPatch, arrived: bool) -> None:
    tried = {"to": "the webhook at x", "arrived": arrived, "reason": "" if arrived else "HTTP 404", "took_s": 0.25}
    answer = {"firing": [], "destinations": [HOOK], "tried": [tried]}
    done, code = typed(monkeypatch, answer, "--test")
    assert code == (0 if arrived else 1)
    assert done.stdout == f"the webhook at x: {'arrived after 0.25 s' if arrived else 'HTTP 404'}\n"
    done, code = typed(monkeypatch, answer, "--test", "--json")
    assert (json.loads(done.stdout), code) == (answer, 0 if arrived else 1)


def test_the_status_shows_what_fires_and_whom_it_does_not_reach() -> None:
    told = {"firing": [FIRING], "destinations": [HOOK, TROUBLE]}
    lines = table(Snapshot("shop", ClusterState.DEGRADED, services=(ServiceStatus("head"),), alerts=told), 60.0)
    assert lines[-2:] == [
        "alert        head-down  60 s ago  Ray's head is down: crashed: code 1",
        "alerts       alerts do not reach the webhook at x: HTTP 500; 2 messages waiting",
    ]
