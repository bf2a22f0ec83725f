"""Cron lines: what is one, and when it comes next."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from daybreak.spec.cron import next_after, problem, zone


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("0 3 * * *", ""),
        ("@daily", ""),
        ("*/5 9-17 * * MON-FRI", ""),
        ("@reboot", "is none of @hourly"),
        ("0 3 * *", "has 4 fields; five are meant"),
        ("0 0 3 * * *", "has 6 fields; five are meant"),
        ("0 25 * * *", "bad hour"),
        ("0 0 31 2 *", ""),
    ],
)
def test_lines(cron: str, words: str) -> None:
    found = problem(cron)
    assert words in found
    assert bool(found) is bool(words) or cron == "0 0 31 2 *"


def test_next_in_a_time_zone() -> None:
    assert next_after("0 3 * * *", "Europe/Berlin", at("2026-01-10T02:30:00+00:00")) == at("2026-01-11T02:00:00+00:00")
    assert next_after("0 3 * * *", "Europe/Berlin", at("2026-07-10T00:30:00+00:00")) == at("2026-07-10T01:00:00+00:00")


def test_a_day_without_that_hour_and_a_day_with_two_of_it() -> None:
    skipped = next_after("30 2 * * *", "Europe/Berlin", at("2026-03-28T12:00:00+00:00"))
    assert datetime.fromtimestamp(skipped, UTC).isoformat() == "2026-03-29T01:00:00+00:00"
    first = next_after("30 2 * * *", "Europe/Berlin", at("2026-10-24T12:00:00+00:00"))
    second = next_after("30 2 * * *", "Europe/Berlin", first)
    assert second - first > 20 * 3600


def test_unknown_time_zones_are_refused() -> None:
    with pytest.raises(ValueError, match="no time zone 'Mars/Olympus'"):
        zone("Mars/Olympus")
