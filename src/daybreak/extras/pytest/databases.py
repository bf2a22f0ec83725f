"""A database for each test: copied from one whose tables were made once."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit


class Copies:
    """Copies of a database on the server at `url`; `schema` makes its tables, told of its URL. Needs psycopg."""

    def __init__(self, url: str, schema: Callable[[str], None]) -> None:
        self._url = url
        self._schema = schema
        # Sessions beside each other, such as those of pytest-xdist, may share a server.
        self._begin = f"test_{os.getpid()}"
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        self._run(f'CREATE DATABASE "{self._begin}"')
        try:
            self._schema(_named(self._url, self._begin))
        except BaseException:
            self._drop(self._begin)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._drop(self._begin)

    @contextlib.contextmanager
    def copy(self) -> Iterator[str]:
        """The URL of a new copy, which is dropped afterwards, whoever is still connected to it."""
        name = f"{self._begin}_{next(self._numbers)}"
        self._run(f'CREATE DATABASE "{name}" TEMPLATE "{self._begin}"')
        try:
            yield _named(self._url, name)
        finally:
            self._drop(name)

    def _drop(self, name: str) -> None:
        self._run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _run(self, statement: str) -> None:
        import psycopg

        given: Any = statement  # made here, of names that are made here
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(given)


def _named(url: str, database: str) -> str:
    """The same server's other database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))
