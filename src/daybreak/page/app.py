"""The page's routes. A Starlette application that is given a `Source` and reads the rest from disk."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from daybreak.page.access import Access
from daybreak.page.discovery import document
from daybreak.page.guard import Guard
from daybreak.page.live import Hub
from daybreak.page.source import Site, Source
from daybreak.page.tally import History

if TYPE_CHECKING:
    from daybreak.page.metrics import Scrapes


class Page:
    """The endpoints of one cluster's page."""

    def __init__(self, source: Source, hub: Hub, site: Site, access: Access) -> None:
        self._source = source
        self._hub = hub
        self._site = site
        self._access = access
        self._history = History(source.paths.timeline)
        self._scrapes: Scrapes | None = None
        self._scraping = asyncio.Lock()

    def routes(self) -> list[Route]:
        return [
            Route("/healthz", self.healthz),
            Route("/metrics", self.metrics),
            Route("/sd/ray", self.discovery),
        ]

    async def healthz(self, _request: Request) -> Response:
        """The keeper answers; whether the cluster is well is another question, and /api/status tells."""
        return PlainTextResponse("ok\n")

    async def metrics(self, request: Request) -> Response:
        """Everything for Prometheus. The history is read in a thread: it may be long the first time."""
        async with self._scraping:
            readings = {
                "snapshot": self._source.snapshot(),
                "checks": self._source.checks(),
                "traffic": await self._source.traffic(),
            }
            accept = request.headers.get("accept", "")
            body, content_type = await asyncio.to_thread(self._render_metrics, accept, readings)
        return Response(body, headers={"content-type": content_type})

    def _render_metrics(self, accept: str, readings: dict[str, Any]) -> tuple[bytes, str]:
        # prometheus_client is imported when somebody asks, in the thread of whom it is asked.
        from daybreak.page.metrics import Readings, Scrapes

        if self._scrapes is None:
            self._scrapes = Scrapes(self._history)
        return self._scrapes.render(accept, Readings(**readings))

    async def discovery(self, _request: Request) -> Response:
        """Ray's metrics endpoints as they are now."""
        snapshot = self._source.snapshot()
        return JSONResponse(document(snapshot["name"], snapshot["generation"], self._source.targets()))


def application(source: Source, hub: Hub, site: Site, access: Access) -> Starlette:
    """The page as an ASGI application."""
    page = Page(source, hub, site, access)
    return Starlette(routes=page.routes(), middleware=[Middleware(Guard, site=site, access=access)])
