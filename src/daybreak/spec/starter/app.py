# mypy: disable-error-code="untyped-decorator, attr-defined"
"""A visitors' book: a FastAPI application on Ray Serve that keeps its visits in PostgreSQL.

    curl localhost:8000/                   who answers
    curl -X POST localhost:8000/visits     one visit more
    curl localhost:8000/visits             how many there were

It needs `pip install "psycopg[binary]"`. daybreak sets DATABASE_URL.
"""

import asyncio
import os
import socket
import time
import uuid
from typing import Any

import psycopg
from fastapi import FastAPI, HTTPException
from ray import serve

# How long a request waits for a database that is being restarted, and how long between two attempts.
PATIENCE_S = 5.0
PAUSE_S = 0.1

# Any number will do, as long as nothing else in this database takes it.
TABLE_LOCK = 20_210_914

CREATE = """
create table if not exists visits (
    id uuid primary key,
    visited_at timestamptz not null default now()
)
"""
# The id is ours, so that asking again after a lost connection does not count a visit twice.
INSERT = "insert into visits (id) values (%s) on conflict (id) do nothing"
COUNT = "select count(*) from visits"

api = FastAPI(title="Visitors' book")


class Database:
    """One connection, opened when it is first needed and again after the server was restarted."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._opening = asyncio.Lock()

    async def run(self, statement: str, *values: Any) -> Any:
        """Run a statement that is safe to repeat; the first column of its first row, None where it has no rows.

        Raises psycopg.OperationalError where the server is not back within PATIENCE_S.
        """
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                connection = await self._connected()
                cursor = await connection.execute(statement, values)
                row = await cursor.fetchone() if cursor.description else None
                return row[0] if row else None
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(PAUSE_S)

    async def _connected(self) -> psycopg.AsyncConnection[Any]:
        async with self._opening:
            if self._connection is None or self._connection.closed:
                connection = await psycopg.AsyncConnection.connect(self._url, autocommit=True, connect_timeout=5)
                try:
                    await create_table(connection)
                except BaseException:
                    await connection.close()
                    raise
                self._connection = connection
            return self._connection


async def create_table(connection: psycopg.AsyncConnection[Any]) -> None:
    """Create the table where it is missing, one replica at a time: at the same moment they would fail."""
    async with connection.transaction():
        await connection.execute("select pg_advisory_xact_lock(%s)", (TABLE_LOCK,))
        await connection.execute(CREATE)


@serve.deployment(max_ongoing_requests=100)
@serve.ingress(api)
class App:
    """The routes. Ray runs as many copies as the deployment asks for."""

    def __init__(self) -> None:
        url = os.environ.get("DATABASE_URL")
        self._database = Database(url) if url else None

    @api.get("/health")
    async def health(self) -> dict[str, str]:
        """Whether this copy can answer. A database that is down is no reason to replace it."""
        return {"status": "ok"}

    @api.get("/")
    async def home(self) -> dict[str, Any]:
        """Who answered."""
        return {"hello": "from Ray Serve", "host": socket.gethostname(), "pid": os.getpid()}

    @api.post("/visits", status_code=201)
    async def visit(self) -> dict[str, Any]:
        """Write one visit down; the answer means that it is stored."""
        visit = uuid.uuid4()
        await self._run(INSERT, visit)
        return {"id": str(visit), "visits": await self._run(COUNT)}

    @api.get("/visits")
    async def visits(self) -> dict[str, Any]:
        """How many visits there were."""
        return {"visits": await self._run(COUNT)}

    async def _run(self, statement: str, *values: Any) -> Any:
        if self._database is None:
            raise HTTPException(503, "DATABASE_URL is not set: is postgres in daybreak.yaml?")
        try:
            return await self._database.run(statement, *values)
        except psycopg.OperationalError as error:
            raise HTTPException(503, f"the database does not answer: {error}") from error


main = App.bind()
