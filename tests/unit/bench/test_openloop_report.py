"""What is made of the records: counts, delays, versions, silence."""

from __future__ import annotations

import pytest
from bench.openloop.records import LONG, SHORT, Outcome, Request
from bench.openloop.report import Report


def asked(due_s: float, latency_s: float = 0.01, outcome: Outcome = Outcome.OK, **rest: str | int) -> Request:
    values: dict[str, object] = {"kind": "short", **rest}
    return Request(
        due_s=due_s,
        began_s=due_s,
        done_s=due_s + latency_s,
        outcome=outcome,
        **values,  # type: ignore[arg-type]
    )


def test_a_record_is_the_same_after_its_way_through_a_file() -> None:
    one = asked(1.5, outcome=Outcome.SERVER_ERROR, status=503, error="status 503")
    assert Request.from_line(one.to_line()) == one


def test_what_failed_is_counted_and_what_was_closed_in_order_is_not() -> None:
    report = Report(tuple(asked(0.0, outcome=outcome) for outcome in Outcome))
    assert report.failed == len(Outcome) - 2
    assert report.outcomes[Outcome.CLOSED] == 1


def test_what_a_kind_lasts_by_itself_is_no_delay() -> None:
    report = Report((asked(0.0, 0.1), asked(0.0, 2.25, kind="long")))
    assert report.slowest_s == pytest.approx(0.25)
    assert report.of(LONG).quantile_s(0.5) == pytest.approx(0.25)
    assert report.of(SHORT).slowest_s == pytest.approx(0.1)


def test_quantiles_are_delays_that_were_measured() -> None:
    report = Report(tuple(asked(number, number / 1000) for number in range(1, 101)))
    assert report.quantile_s(0.5) == pytest.approx(0.05)
    assert report.quantile_s(0.99) == pytest.approx(0.099)
    assert Report(()).quantile_s(0.99) is None


def test_what_was_under_way_at_a_moment_counts_as_since_then() -> None:
    report = Report((asked(0.0), asked(0.9, 0.2), asked(2.0)))
    assert [one.due_s for one in report.before(1.0).requests] == [0.0]
    assert [one.due_s for one in report.since(1.0).requests] == [0.9, 2.0]
    assert [one.due_s for one in report.since(1.0).due_until(1.5).requests] == [0.9]
    assert [one.due_s for one in report.due_after(1.0).requests] == [2.0]


def test_only_whole_answers_tell_which_version_answers() -> None:
    report = Report(
        (
            asked(0.0, version="1"),
            asked(1.0, version="2", outcome=Outcome.CUT),
            asked(2.0, version="2"),
            asked(3.0, version="1"),
        )
    )
    assert report.first_answer_s("2") == pytest.approx(2.01)
    assert report.last_answer_s("1") == pytest.approx(3.01)
    assert report.first_answer_s("3") is None


def test_silence_is_the_longest_time_without_an_answer() -> None:
    outcomes = [Outcome.OK, Outcome.REFUSED, Outcome.NOT_FOUND, Outcome.OK, Outcome.OK, Outcome.REFUSED]
    report = Report(tuple(asked(float(number), outcome=outcome) for number, outcome in enumerate(outcomes)))
    assert report.silence_s == 3.0
    assert Report(report.requests[1:3]).silence_s == 1.0
    assert Report(()).silence_s == 0.0


def test_a_late_loop_is_told() -> None:
    one = asked(1.0)
    assert Report((Request("short", 1.0, 1.75, 2.0, Outcome.OK), one)).latest_start_s == 0.75


def test_printed_it_shows_each_kind_and_the_first_failures() -> None:
    text = str(Report((asked(1.0), asked(1.5, outcome=Outcome.REFUSED, error="nobody listens"))))
    assert "short: {'requests': 2, 'ok': 1, 'refused': 1" in text
    assert "short due at 0.500 s: refused after 0.010 s, nobody listens" in text
    assert str(Report(())) == "no request"
