"""The bench begins when what ran before has passed, and measures nothing beside something else."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import psutil
import pytest
from bench import quiet
from bench.runner import run_once
from bench.scenarios import Measured, Scenario

IDLE, HALF = 1.0, 25.0  # per cent of two processors
Clock = Callable[[], float]


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[float]], Clock]:
    """Says how busy the processors are, a second for each; returns what time it is."""

    def given(shares: list[float]) -> Clock:
        now, left = [0.0], iter(shares)

        def looked(interval: float) -> float:
            now[0] += interval
            return next(left)

        monkeypatch.setattr("time.monotonic", lambda: now[0])
        monkeypatch.setattr(psutil, "cpu_percent", looked)
        return lambda: now[0]

    return given


def test_it_waits_until_what_ran_before_has_passed(busy: Callable[[list[float]], Clock]) -> None:
    clock = busy([HALF, HALF, IDLE])
    assert quiet.when_idle(cores=2)[1] == IDLE / 100
    assert clock() == 3.0


def test_it_refuses_to_measure_beside_something_else(
    busy: Callable[[list[float]], Clock], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = busy([HALF] * 1000)
    monkeypatch.setattr(quiet, "_busiest", lambda: ["make (pid 7) uses 50 % of one"])
    with pytest.raises(quiet.NotQuiet, match=r"50% of a processor(.|\n)*make \(pid 7\)"):
        quiet.when_idle(cores=2)
    assert clock() == quiet.PATIENCE_S


def test_beside_other_work_it_waits_for_nobody_and_tells_what_is_in_use(busy: Callable[[list[float]], Clock]) -> None:
    clock = busy([HALF] * 1000)
    assert quiet.when_idle(cores=2, patience_s=None)[1] == HALF / 100
    assert clock() == 1.0


def test_it_names_who_uses_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    class Busy:
        def __init__(self, name: str, share: float) -> None:
            self.info, self.pid, self._share = {"name": name}, 7, share

        def cpu_percent(self) -> float:
            return self._share

    found = [Busy("idle", 0.0), Busy("make", 30.0), Busy("cc", 90.0)]
    monkeypatch.setattr(psutil, "process_iter", lambda _: found)
    monkeypatch.setattr("time.sleep", lambda _: None)
    assert quiet._busiest() == ["cc (pid 7) uses 90 % of one", "make (pid 7) uses 30 % of one"]


def test_what_measures_no_time_needs_no_idle_machine(
    busy: Callable[[list[float]], Clock], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = busy([HALF] * 1000)
    monkeypatch.setattr("bench.runner.Group", SimpleNamespace(create=lambda: None))
    monkeypatch.setattr("bench.runner.loop_s", lambda: 0.0)
    system = cast(Any, SimpleNamespace(stop=lambda _: None))
    scenario = Scenario("growth", "", "growth", system, lambda *_: Measured({}), timed=False)
    sample = run_once(scenario, 1, 1)
    assert (sample.ok, sample.cpu_busy) == (True, HALF / 100)
    assert clock() == quiet.WINDOW_S
