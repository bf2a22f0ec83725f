"""How numbers are written for people."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daybreak.show.text import ago, in_two_columns, plural, seconds

NOW = 1_760_000_000.0


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "-"),
        (math.nan, "-"),
        (math.inf, "-"),
        (0.0, "0 ms"),
        (0.00042, "0.4 ms"),
        (0.0099, "9.9 ms"),
        (0.00996, "10 ms"),
        (0.0123, "12 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.00 s"),
        (1.234, "1.23 s"),
        (9.996, "10.0 s"),
        (12.34, "12.3 s"),
        (119.9, "119.9 s"),
        (120.0, "2m 00s"),
        (125.4, "2m 05s"),
        (179.9, "3m 00s"),
        (3 * 3600 + 125, "3h 02m"),
        (-1.5, "-1.50 s"),
    ],
)
def test_seconds(value: float | None, written: str) -> None:
    assert seconds(value) == written


@given(st.floats(0, 1e6))
def test_no_duration_is_written_as_a_thousand_of_the_smaller_unit(value: float) -> None:
    written = seconds(value)
    assert not written.startswith(("1000 ", "120.0 s"))
    assert " 60s" not in written
    assert " 60m" not in written


@pytest.mark.parametrize(
    ("passed", "written"),
    [
        (-30, "just now"),
        (1, "just now"),
        (59, "59 s ago"),
        (300, "5 min ago"),
        (3 * 3600 + 59, "3 h ago"),
        (86400 * 3, "3 days ago"),
    ],
)
def test_ago(passed: float, written: str) -> None:
    assert ago(NOW - passed, NOW) == written


def test_long_ago_is_a_date() -> None:
    wall = NOW - 90 * 86400
    assert ago(wall, NOW) == time.strftime("%Y-%m-%d", time.localtime(wall))


def test_plural() -> None:
    assert [plural(count, "run") for count in (0, 1, 2)] == ["0 runs", "1 run", "2 runs"]


def test_the_second_column_begins_at_one_place() -> None:
    lines = in_two_columns({"api": "http://a", "recommendations": "http://b"})
    assert lines == ["api             http://a", "recommendations http://b"]
    assert in_two_columns({"api": "http://a"}) == ["api          http://a"]
    assert in_two_columns({}) == []
