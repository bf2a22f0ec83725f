"""Times and levels of the formats that the logs of a cluster have."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from daybreak.show.logs.stamps import Level, Stamp, local_iso, parse_moment, stamp

UTC_10_08_34 = 1795601314.0
NEAR = UTC_10_08_34 + 60


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is UTC, so that the expected numbers hold everywhere."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("line", "after_s", "level"),
    [
        ("2026-11-25 10:08:34 daybreak: starting head (instance 1d21)", 0.0, None),
        ("2026-11-25 10:08:34,243\tINFO usage_lib.py:448 -- Usage stats", 0.243, Level.INFO),
        ("2026-11-25 10:08:34,243\tSUCC scripts.py:1084 -- ----", 0.243, Level.INFO),
        ("[2026-11-25 10:08:34,759 I 10337 10337] (raylet) main.cc:2: x", 0.759, Level.INFO),
        ("[2026-11-25 10:08:34,759 W 10337 10337] main.cc:2: x", 0.759, Level.WARNING),
        ("[2026-11-25 10:08:34,759 C 10337 10337] main.cc:2: x", 0.759, Level.CRITICAL),
        ("I1125 10:08:34.759000 123 file.cc:1] x", 0.759, Level.INFO),
        ("E0000 00:00:1795601314.500000  12 chttp2.cc:7] x", 0.5, Level.ERROR),
        ("INFO 2026-11-25 10:08:34,131 default_App cpbe -- GET / 200", 0.131, Level.INFO),
        ("WARNING 2026-11-25 10:08:34,131 controller 10 -- no", 0.131, Level.WARNING),
        ("2026-11-25 10:08:34.340 UTC [9354] LOG:  starting PostgreSQL", 0.34, Level.INFO),
        ("2026-11-25 10:08:34.340 UTC [9354] ERROR:  no such table", 0.34, Level.ERROR),
        ("2026-11-25 10:08:34.340 UTC [9354] shop@shop FATAL:  no such role", 0.34, Level.CRITICAL),
        ("2026-11-25 10:08:34.340 UTC [9354] shop@shop FATAL:  the database system is starting up", 0.34, Level.INFO),
        ('ts=2026-11-25T10:08:34.340Z caller=refresh.go:80 level=error msg="no answer"', 0.34, Level.ERROR),
        ('t=2026-11-25T11:08:34.340+01:00 level=info msg="it is level=error"', 0.34, Level.INFO),
        ('time="2026-11-25T10:08:34Z" level=warning msg=x', 0.0, Level.WARNING),
        ("9288:M 25 Nov 2026 10:08:34.786 # WARNING Memory overcommit", 0.786, Level.WARNING),
        ("9288:M 25 Nov 2026 10:08:34.786 * Ready to accept", 0.786, Level.INFO),
        ("9288:signal-handler (1795601314) Received SIGTERM", 0.0, Level.WARNING),
        ("2026-11-25 10:08:34,949 - my.logger - ERROR - broken", 0.949, Level.ERROR),
        ("2026-11-25 10:08:34.949 | WARNING  | mod:func:12 - m", 0.949, Level.WARNING),
        ("2026-11-25T10:08:34Z [error    ] event key=1", 0.0, Level.ERROR),
        ("2026-11-25T12:08:34+02:00 INFO x", 0.0, Level.INFO),
        ("[INFO] 2026-11-25 10:08:34 x", 0.0, Level.INFO),
        ('127.0.0.1 - - [25/Nov/2026:11:08:34 +0100] "GET / HTTP/1.1" 200', 0.0, Level.INFO),
        ('{"asctime": "2026-11-25 10:08:34,131", "levelname": "ERROR", "message": "x"}', 0.131, Level.ERROR),
        ('{"timestamp_ns": 1795601314500000000, "levelname": "INFO"}', 0.5, Level.INFO),
        ('{"level": 30, "time": 1795601314500}', 0.5, Level.WARNING),
        ("2026-11-25 10:08:34 The ERROR is part of the text", 0.0, None),
    ],
)
def test_a_line_says_when_and_how_bad(line: str, after_s: float, level: Level | None) -> None:
    found = stamp(line, NEAR)
    assert found is not None
    assert found.level is level
    assert found.at == pytest.approx(UTC_10_08_34 + after_s, abs=1e-4)


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("WARNING:root:task warns", Level.WARNING),
        ("INFO:     Started", Level.INFO),
        ("[ALERT] (1) : x", Level.CRITICAL),
    ],
)
def test_a_level_without_a_time(line: str, level: Level) -> None:
    assert stamp(line, NEAR) == Stamp(None, level)


@pytest.mark.parametrize(
    "line",
    [
        "",
        '  File "app.py", line 3, in f',
        "ValueError: no",
        "task says 0",
        "ERROR without a mark behind it",
        "2026-13-45 99:00:00 is no time",
        "{not json",
        "[1, 2]",
        "2026-11-25 10:08:34.340 UTC [9354] STATEMENT:  select 1",
        "2026-11-25 10:08:34.340 UTC [9354] shop@shop STATEMENT:  select 1",
        "ts=soon level=error",
        "t",
        "[2026-11-25",
        "I",
        "9" * 500,
        "{" + "x" * 100_000,
    ],
)
def test_other_lines_belong_to_the_line_before(line: str) -> None:
    assert stamp(line, NEAR) is None


def test_a_time_in_the_future_was_not_written_by_a_clock() -> None:
    assert stamp("2099-01-01 00:00:00 the end", NEAR) is None
    assert stamp("INFO 2099-01-01 00:00:00,000 x", NEAR) == Stamp(None, Level.INFO)


def test_a_date_without_a_year_is_the_last_such_day() -> None:
    january = stamp("I0103 10:00:00.000000 1 f.cc:1] x", NEAR)
    december = stamp("I1231 10:00:00.000000 1 f.cc:1] x", NEAR)
    assert january is not None
    assert december is not None
    assert local_iso(january.at or 0).startswith("2026-01-03")
    assert local_iso(december.at or 0).startswith("2025-12-31")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-25 10:08:34", UTC_10_08_34),
        ("2026-11-25T10:08:34Z", UTC_10_08_34),
        ("2026-11-25T12:08:34+02:00", UTC_10_08_34),
        ("10:08:34", UTC_10_08_34),
        ("2026-11-25", UTC_10_08_34 - 10 * 3600 - 8 * 60 - 34),
        ("9:08", UTC_10_08_34 - 3600 - 34),
        ("10:30", UTC_10_08_34 - 86400 + 22 * 60 - 34),
    ],
)
def test_moments(text: str, expected: float) -> None:
    assert parse_moment(text, now=NEAR) == expected


@pytest.mark.parametrize("text", ["soon", "", "25:00", "2026-99-01", "10"])
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(ValueError):
        parse_moment(text, now=NEAR)
