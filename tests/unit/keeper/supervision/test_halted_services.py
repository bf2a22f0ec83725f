"""What the supervisor does about a service that somebody has stopped, on the fake backend and a clock that jumps."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from daybreak.backends.process.halts import Halts
from daybreak.keeper.supervision.health_watch import HALT_EVERY_S, RECHECK_S
from daybreak.testing.clock import run
from tests.unit.helpers import service
from tests.unit.keeper.supervision.test_supervisor import POLICY, Watched, answer, health


def test_what_is_stopped_by_a_signal_fails_at_once_although_its_check_would_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story() -> Watched:
        watched = Watched(service("web", health=POLICY), revive=False)
        answer(watched, 0)
        await watched.start()
        monkeypatch.setattr(Halts, "now", lambda _: "pid 7 (web) is stopped by a signal")
        await asyncio.sleep(HALT_EVERY_S + 0.1)
        (told,) = health(watched)
        assert told == ("failing", "pid 7 (web) is stopped by a signal (just started, counts after 30 s)")
        monkeypatch.undo()
        await asyncio.sleep(RECHECK_S)
        assert health(watched)[1:] == [("healthy", "")]
        return watched

    assert run(story()).recovered == []


def test_what_has_no_check_is_replaced_where_it_stays_stopped_and_told_where_it_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story() -> Watched:
        watched = Watched(service("web", health=replace(POLICY, check=None)), revive=False)
        await watched.start()
        await asyncio.sleep(POLICY.start_period_s)
        assert health(watched) == []
        monkeypatch.setattr(Halts, "now", lambda _: "pid 7 (web) is stopped by a signal")
        await asyncio.sleep(HALT_EVERY_S + 0.1)
        monkeypatch.undo()
        await asyncio.sleep(RECHECK_S)
        assert [status for status, _ in health(watched)] == ["failing", ""]
        assert watched.recovered == []
        monkeypatch.setattr(Halts, "now", lambda _: "pid 7 (web) is stopped by a signal")
        await asyncio.sleep((POLICY.retries + 1) * POLICY.interval_s)
        return watched

    assert [replaced for _, _, replaced in run(story()).recovered] == [True]
