"""Numbered writes to the databases, one after the other: whatever was acknowledged must be there afterwards."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

import psycopg
import redis

from bench.faults.beside import Beside
from bench.faults.target import Target

EVERY_S = 0.05
AGAIN_S = 0.2
CONNECT_S = 3
# The server may be stopped for some time while a write is under way.
ANSWER_S = 60.0
TABLE, KEYS = "acknowledged", "acknowledged"
# Opens a connection; returns what writes a number, what reads all numbers, and what closes it.
Open = Callable[[], tuple[Callable[[int], object], Callable[[], set[int]], Callable[[], None]]]


class Writer(Beside):
    """Writes for as long as the `with` block lasts. Numbers begin with `first`; what fails is tried no more."""

    patience_s = ANSWER_S + CONNECT_S

    def __init__(self, name: str, open_: Open, first: int = 0) -> None:
        self.name = name
        self.acknowledged: set[int] = set()
        self.acknowledged_s = self.failed_s = 0.0
        self._open = open_
        self._next = first
        super().__init__()

    def lost(self) -> int:
        """How many acknowledged numbers are not there. Raises OSError, or what the database's client raises."""
        _, read, close = self._open()
        with contextlib.closing(_Closes(close)):
            return len(self.acknowledged - read())

    def go_on(self) -> None:
        while not self.over.is_set():
            try:
                write, _, close = self._open()
                with contextlib.closing(_Closes(close)):
                    while not self.over.wait(EVERY_S):
                        self._next += 1
                        write(self._next)
                        self.acknowledged.add(self._next)
                        self.acknowledged_s = time.monotonic()
            except (OSError, psycopg.Error, redis.RedisError):
                self.failed_s = time.monotonic()
                self.over.wait(AGAIN_S)


class _Closes:
    def __init__(self, close: Callable[[], None]) -> None:
        self.close = close


def writers(target: Target, first: int) -> tuple[Writer, Writer]:
    """One for each database."""
    return (
        Writer("PostgreSQL", lambda: _postgres(target.secret("database-url")), first),
        Writer("Redis", lambda: _redis(target.secret("redis-url")), first),
    )


def _postgres(url: str) -> Any:
    connection = psycopg.connect(url, connect_timeout=CONNECT_S, autocommit=True)
    connection.execute(f"create table if not exists {TABLE} (number bigint primary key)")

    def write(number: int) -> None:
        connection.execute(f"insert into {TABLE} values (%s)", (number,))

    def read() -> set[int]:
        return {number for (number,) in connection.execute(f"select number from {TABLE}")}

    return write, read, connection.close


def _redis(url: str) -> Any:
    client = redis.Redis.from_url(url, socket_timeout=ANSWER_S, socket_connect_timeout=CONNECT_S)
    client.ping()

    def read() -> set[int]:
        return {int(number) for number in client.smembers(KEYS)}

    return lambda number: client.sadd(KEYS, number), read, client.close
