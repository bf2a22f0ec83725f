"""What the page answers programs: JSON, and streams of events and log lines."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from daybreak.show.page import streams
from daybreak.show.page.live import Hub
from daybreak.show.page.logs import Follower
from daybreak.show.page.path_values import number_in, run_of, service_of
from daybreak.show.page.source import Source
from daybreak.timeline.reader import Reader

FEW_RUNS, MOST_RUNS = 50, 500


class Api:
    """The endpoints below `/api`."""

    def __init__(self, source: Source, hub: Hub) -> None:
        self._source = source
        self._hub = hub

    def routes(self) -> list[Route]:
        return [
            Route("/api/status", self.status),
            Route("/api/runs", self.runs),
            Route("/api/runs/{run}", self.run),
            Route("/api/events", self.events),
            Route("/api/logs/{service}", self.logs),
        ]

    async def status(self, _request: Request) -> Response:
        """As `daybreak status --json`."""
        return JSONResponse(self._source.snapshot().to_json())

    async def runs(self, request: Request) -> Response:
        """As `daybreak perf history --json`, newest first; `?limit=` of them."""
        given = number_in(request.query_params.get("limit", ""))
        limit = FEW_RUNS if given is None else min(given, MOST_RUNS)
        return JSONResponse(await asyncio.to_thread(self._read_runs, limit))

    async def run(self, request: Request) -> Response:
        """One run with its events, phases and critical chain."""
        found = await asyncio.to_thread(self._read_run, run_of(request))
        if found is None:
            raise HTTPException(404)
        return JSONResponse(found)

    async def events(self, _request: Request) -> Response:
        """Every event from now on."""
        return streams.events(self._hub)

    async def logs(self, request: Request) -> Response:
        """The last lines of one service's logs; as a stream, new ones behind them."""
        follower = Follower(self._source.paths, service_of(request, self._source.paths))
        if "text/event-stream" in request.headers.get("accept", ""):
            return streams.log_lines(self._hub, follower)
        lines = await asyncio.to_thread(follower.last)
        return JSONResponse({"lines": [line.to_json() for line in lines]})

    def _read_runs(self, limit: int) -> dict[str, Any]:
        with self._store() as store:
            return {"runs": [run.to_json() for run in store.runs(limit=limit)]}

    def _read_run(self, number: int) -> dict[str, Any] | None:
        from daybreak.show.perf import chain_json

        with self._store() as store:
            run = store.find(number)
            return chain_json(run, store.events(number)) if run else None

    def _store(self) -> Reader:
        return Reader(self._source.paths.timeline)
