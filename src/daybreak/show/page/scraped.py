"""What the page answers monitoring: `/metrics`, `/sd/ray` and `/healthz`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from daybreak.show.page.discovery import document
from daybreak.show.page.guard import DISCOVERY
from daybreak.show.page.source import Source

if TYPE_CHECKING:
    from daybreak.show.page.metrics import Scrapes

SHM = Path("/dev/shm")


class Scraped:
    """The endpoints that Prometheus and probes ask."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._scrapes: Scrapes | None = None
        # One at a time: the history may be long the first time.
        self._scraping = asyncio.Lock()

    def routes(self) -> list[Route]:
        return [
            Route("/healthz", self.healthz),
            Route("/metrics", self.metrics),
            Route(DISCOVERY, self.discovery),
        ]

    async def healthz(self, _request: Request) -> Response:
        """The keeper answers; whether the cluster is well is another question, and /api/status tells."""
        return PlainTextResponse("ok\n")

    async def metrics(self, request: Request) -> Response:
        """Everything for Prometheus. The history is read in a thread."""
        async with self._scraping:
            readings = {
                "snapshot": self._source.snapshot(),
                "checks": self._source.checks(),
                "traffic": await self._source.traffic(),
                "requests": self._source.requests(),
                "places": {"state": self._source.paths.root, "runtime": self._source.paths.runtime, "shm": SHM},
            }
            accept = request.headers.get("accept", "")
            body, content_type = await asyncio.to_thread(self._render, accept, readings)
        return Response(body, headers={"content-type": content_type})

    async def discovery(self, _request: Request) -> Response:
        """Ray's metrics endpoints as they are now."""
        snapshot = self._source.snapshot()
        return JSONResponse(document(snapshot.name, snapshot.generation, self._source.targets()))

    def _render(self, accept: str, readings: dict[str, Any]) -> tuple[bytes, str]:
        # prometheus_client is imported when somebody asks, in the thread of whom it is asked.
        from daybreak.show.page.metrics import Readings, Scrapes

        if self._scrapes is None:
            self._scrapes = Scrapes(self._source.paths.timeline)
        return self._scrapes.render(accept, Readings(**readings))
