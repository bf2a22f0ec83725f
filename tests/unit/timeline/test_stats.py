"""Statistics: what holds for any samples, and words and warnings for samples made by hand."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daybreak.timeline.event import Outcome, RunKind
from daybreak.timeline.run import Run
from daybreak.timeline.stats import MEASURES, Trend, mann_kendall_z, summarise, theil_sen, trend
from tests.unit.timeline.replayed import a_run

durations = st.floats(min_value=0, max_value=1e6, allow_nan=False)


@st.composite
def many_runs(draw: st.DrawFn) -> list[Run]:
    """Runs of all kinds and ends, numbered, some without a duration."""
    some = st.builds(
        Run,
        id=st.just(0),
        kind=st.sampled_from(RunKind),
        began_wall=durations,
        outcome=st.sampled_from(Outcome),
        workers=st.integers(0, 2),
        warm=st.booleans(),
        duration_s=st.none() | durations,
    )
    drawn = draw(st.lists(some, max_size=12))
    return [replace(run, id=number) for number, run in enumerate(drawn)]


@given(many_runs())
def test_the_median_lies_between_the_extremes_and_every_run_is_counted_once(runs: list[Run]) -> None:
    groups = summarise(runs)
    for group in groups:
        if group.count:
            assert group.median_s is not None
            assert group.min_s is not None
            assert group.max_s is not None
            assert group.mad_s is not None
            assert group.min_s <= group.median_s <= group.max_s
            assert 0 <= group.mad_s <= group.max_s - group.min_s
        else:
            assert (group.median_s, group.min_s, group.max_s, group.mad_s) == (None, None, None, None)
        assert {sample.run for sample in group.samples} >= set(group.outliers)
    measured = [run for run in runs if run.outcome is Outcome.OK and run.duration_s is not None]
    assert sum(group.count for group in groups) == len(measured)
    assert sum(group.failed for group in groups) == sum(run.outcome is Outcome.FAILED for run in runs)
    assert sum(group.interrupted for group in groups) == sum(run.outcome is Outcome.INTERRUPTED for run in runs)


@given(many_runs(), st.randoms(use_true_random=False))
def test_the_order_of_the_runs_does_not_matter(runs: list[Run], chance: random.Random) -> None:
    shuffled = list(runs)
    chance.shuffle(shuffled)
    assert summarise(shuffled) == summarise(runs)


@given(many_runs())
def test_a_summary_is_json(runs: list[Run]) -> None:
    for group in summarise(runs):
        found = json.loads(json.dumps(group.to_json(), allow_nan=False))
        assert len(found["samples"]) == found["count"]


@given(st.lists(durations, min_size=2, max_size=20))
def test_the_slope_turns_round_with_the_values(values: list[float]) -> None:
    forward, backward = theil_sen(values), theil_sen(values[::-1])
    assert forward is not None
    assert backward == pytest.approx(-forward)


def test_only_successful_runs_count() -> None:
    runs = [
        a_run(1, 4.0),
        a_run(2, 5.0),
        a_run(3, 60.0, outcome=Outcome.FAILED),
        a_run(4, 1.0, outcome=Outcome.INTERRUPTED),
        a_run(5, None, outcome=Outcome.RUNNING),
        a_run(6, float("nan")),
    ]
    (group,) = summarise(runs)
    assert (group.count, group.median_s, group.min_s, group.max_s, group.mad_s) == (2, 4.5, 4.0, 5.0, 0.5)
    assert (group.failed, group.interrupted) == (1, 1)


def test_runs_that_differ_in_kind_workers_or_warmth_are_never_mixed() -> None:
    runs = [
        a_run(1, 9.0, kind=RunKind.RESTART),
        a_run(2, 2.0, workers=10),
        a_run(3, 3.0, workers=2),
        a_run(4, 4.0, workers=2, warm=False),
        a_run(5, 5.0, workers=2),
    ]
    found = [(group.kind, group.workers, group.warm, group.median_s) for group in summarise(runs)]
    assert found == [
        (RunKind.STARTUP, 2, False, 4.0),
        (RunKind.STARTUP, 2, True, 4.0),
        (RunKind.STARTUP, 10, True, 2.0),
        (RunKind.RESTART, 3, True, 9.0),
    ]


def test_a_group_without_success_is_still_reported() -> None:
    (group,) = summarise([a_run(1, 9.0, outcome=Outcome.FAILED)])
    assert (group.count, group.median_s, group.failed, group.trend) == (0, None, 1, Trend.UNKNOWN)
    assert group.advice == ()
    assert summarise([a_run(1, None, outcome=Outcome.RUNNING)]) == []


def test_each_measure_has_its_own_samples() -> None:
    runs = [a_run(1, 4.0, ready_after_s=3.0), a_run(2, 4.0, first_response_s=3.5)]
    found = [[sample.value_s for sample in summarise(runs, measure)[0].samples] for measure in MEASURES]
    assert found == [[4.0, 4.0], [3.0], [3.5]]


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ([1, 2, 3, 4], Trend.UNKNOWN),
        ([4.0] * 10, Trend.STEADY),
        ([4.0, 4.1, 3.9, 4.05, 3.95, 4.0, 4.1, 3.9], Trend.STEADY),
        ([4.0 + 0.1 * i for i in range(10)], Trend.SLOWER),
        ([4.0 - 0.1 * i for i in range(10)], Trend.FASTER),
        ([4.0, 4.0, 4.0, 4.0, 4.0, 60.0], Trend.STEADY),
        ([4.0 - 0.1 * i for i in range(10)] + [30.0], Trend.FASTER),
    ],
)
def test_the_word_for_a_trend(values: list[float], word: Trend) -> None:
    assert trend(values) is word


def test_noise_is_rarely_called_a_trend() -> None:
    chance = random.Random(7)
    words = [trend([chance.gauss(4.0, 0.2) for _ in range(20)]) for _ in range(400)]
    assert sum(word is not Trend.STEADY for word in words) < 0.08 * len(words)


def test_the_trend_is_of_the_last_runs_only() -> None:
    runs = [a_run(i, 20.0 - 0.2 * i) for i in range(50)] + [a_run(50 + i, 9.0 + 0.3 * i) for i in range(20)]
    (group,) = summarise(runs)
    assert group.trend is Trend.SLOWER
    assert group.slope_s_per_run == pytest.approx(0.3)


def test_mann_kendall_of_a_known_series() -> None:
    # S = 10 of 10 pairs, variance 5 * 4 * 15 / 18
    assert mann_kendall_z([1, 2, 3, 4, 5]) == pytest.approx(9 / (5 * 4 * 15 / 18) ** 0.5)
    assert mann_kendall_z([1, 1, 1]) == 0


def test_an_outlier_is_named_with_cause_and_remedy() -> None:
    values = [4.0, 4.1, 3.9, 4.0, 4.1, 9.0, 3.9, 4.0]
    (group,) = summarise([a_run(i + 1, value) for i, value in enumerate(values)])
    assert group.outliers == (6,)
    assert group.median_s == median(values)
    (advice,) = group.advice
    assert "run 6 (9.00 s)" in advice.what
    assert "processor or the disk" in advice.cause
    assert "quiet machine" in advice.remedy
    assert str(advice).endswith(".")


def test_a_slow_first_run_has_its_own_cause() -> None:
    (group,) = summarise([a_run(i + 1, value) for i, value in enumerate([9.0, 4.1, 3.9, 4.0, 4.1, 3.9])])
    (advice,) = group.advice
    assert advice.what.startswith("the first run (run 1) took 9.00 s")
    assert "read from the disk" in advice.cause


def test_a_hundredth_is_no_outlier_where_samples_hardly_differ() -> None:
    assert summarise([a_run(i, 4.0) for i in range(9)] + [a_run(10, 4.03)])[0].outliers == ()
    assert summarise([a_run(i, 4.0) for i in range(9)] + [a_run(10, 4.05)])[0].outliers == (10,)
    assert summarise([a_run(i, 4.0) for i in range(3)] + [a_run(10, 9.0)])[0].outliers == ()


def test_runs_of_several_versions_are_told() -> None:
    runs = [a_run(1, versions={"ray": "2.50"}), a_run(2, versions={"ray": "2.51"})]
    (advice,) = summarise(runs)[0].advice
    assert "2 different sets of versions" in advice.what
