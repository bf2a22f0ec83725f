"""Which lines of logs tell of trouble."""

from __future__ import annotations

import pytest

from daybreak.show.logs.alarm import alarms

BAD = [
    "[2026-11-25 10:28:47,351 E 29830 29855] (raylet) worker_pool.cc:586: Some workers have not registered",
    "2026-11-25 10:28:56,280 ERROR services.py:1 -- failed",
    "ERROR 2026-11-25 10:28:56,280 serve 123 -- replica died",
    "2026-11-25 10:28:56.280 UTC [42] FATAL:  password authentication failed",
    "ray.exceptions.RayTaskError(ValueError): boom",
    "ValueError: boom",
    "somewhere in it stands ERROR",
]
GOOD = [
    "[2026-11-25 10:28:47,351 I 29830 29855] (raylet) main.cc:1: Error rate of nothing",
    "INFO 2026-11-25 10:28:56,280 serve 123 -- no ERROR at all",
    "2026-11-25 10:28:56.280 UTC [42] FATAL:  the database system is starting up",
    "loading the ErrorHandler",
    "",
]


@pytest.mark.parametrize("line", BAD)
def test_trouble(line: str) -> None:
    assert alarms(line)


@pytest.mark.parametrize("line", GOOD)
def test_none(line: str) -> None:
    assert not alarms(line)
