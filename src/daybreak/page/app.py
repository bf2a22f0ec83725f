"""The page's routes. A Starlette application that is given a `Source` and reads the rest from disk."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from daybreak.logs.sources import Sources
from daybreak.page import streams
from daybreak.page.access import Access
from daybreak.page.discovery import document
from daybreak.page.guard import ICON, LOGIN, STATIC, Guard
from daybreak.page.live import Hub
from daybreak.page.logs import Follower
from daybreak.page.source import Site, Source
from daybreak.page.tally import History
from daybreak.timeline.store import Store

if TYPE_CHECKING:
    from daybreak.page.metrics import Scrapes
    from daybreak.page.render import Pages

FILES = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}
SHM = Path("/dev/shm")
MOST_FORM_BYTES = 4096
MOST_RUNS = 500


class Page:
    """The endpoints of one cluster's page."""

    def __init__(self, source: Source, hub: Hub, site: Site, access: Access) -> None:
        self._source = source
        self._hub = hub
        self._site = site
        self._access = access
        self._history = History(source.paths.timeline)
        self._scrapes: Scrapes | None = None
        self._pages: Pages | None = None
        # One at a time: many open pages must not take the processor from the cluster.
        self._scraping = asyncio.Lock()
        self._drawing = asyncio.Lock()

    def routes(self) -> list[Route]:
        return [
            Route("/", self.index),
            Route("/runs/{run:int}", self.run),
            Route("/logs/{service}", self.logs),
            Route(LOGIN, self.login, methods=["GET", "POST"]),
            Route("/actions/restart", self.restart, methods=["POST"]),
            Route(STATIC + "{name}", self.static),
            Route(ICON, self.icon),
            Route("/api/status", self.api_status),
            Route("/api/runs", self.api_runs),
            Route("/api/runs/{run:int}", self.api_run),
            Route("/api/events", self.api_events),
            Route("/api/logs/{service}", self.api_logs),
            Route("/healthz", self.healthz),
            Route("/metrics", self.metrics),
            Route("/sd/ray", self.discovery),
        ]

    # --- for people -------------------------------------------------------------------------------------------------

    async def index(self, request: Request) -> Response:
        """What runs, the last start, the history, the last events."""
        return await self._draw("index", request)

    async def run(self, request: Request) -> Response:
        """One run: its chart, its chain, its events."""
        return await self._draw("run", request, run=request.path_params["run"])

    async def logs(self, request: Request) -> Response:
        """The last lines of one service's logs."""
        return await self._draw("logs", request, service=self._service(request))

    async def _draw(self, name: str, request: Request, **details: Any) -> Response:
        facts = {
            "snapshot": self._source.snapshot(),
            "routes": self._source.routes(),
            "authorised": self._access.authorised(request.headers, request.cookies),
            "form_key": self._form_key(request),
            **details,
        }
        async with self._drawing:
            text = await asyncio.to_thread(self._render, name, facts)
        if text is None:
            raise HTTPException(404)
        return HTMLResponse(text)

    def _render(self, name: str, facts: Mapping[str, Any]) -> str | None:
        # jinja2 is imported when somebody asks, in the thread of whom it is asked.
        from daybreak.page.render import Pages

        if self._pages is None:
            self._pages = Pages(self._source.paths, time.time)
        made: str | None = getattr(self._pages, name)(**facts)
        return made

    async def login(self, request: Request) -> Response:
        """Asks for the token, and turns it into a session."""
        refused = False
        if request.method == "POST":
            form = await _form(request)
            if self._access.is_token(form.get("token", "").strip()):
                return RedirectResponse("/", 303, headers={"set-cookie": self._access.set_cookie()})
            refused = True
        text = await asyncio.to_thread(self._render, "login", {"refused": refused, "token_file": self._token_file()})
        return HTMLResponse(text, 401 if refused else 200)

    async def restart(self, request: Request) -> Response:
        """Begin a restart. A session must bring its form's key; the token needs nothing else."""
        if not self._access.bearer(request.headers):
            form = await _form(request)
            session = request.cookies.get(self._access.cookie, "")
            if not self._access.is_form_key(session, form.get("key", "")):
                return PlainTextResponse("The form is too old: open the page again.\n", 403)
        begun = self._source.restart()
        if "text/html" not in request.headers.get("accept", ""):
            return JSONResponse({"begun": begun}, 202 if begun else 409)
        if not begun:
            return PlainTextResponse("Not now: something else is under way, or nothing runs.\n", 409)
        return RedirectResponse("/", 303)

    async def static(self, request: Request) -> Response:
        """The page's own three files."""
        return self._file(request.path_params["name"], request)

    async def icon(self, request: Request) -> Response:
        """Where browsers look for it beside answers that are no pages."""
        return self._file("icon.svg", request)

    @staticmethod
    def _file(name: str, request: Request) -> Response:
        if name not in FILES:
            raise HTTPException(404)
        body = resources.files("daybreak.page").joinpath("static", name).read_bytes()
        tag = f'"{sha256(body).hexdigest()[:16]}"'
        headers = {"etag": tag, "cache-control": "no-cache"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(body, headers={**headers, "content-type": f"{FILES[name]}; charset=utf-8"})

    def _form_key(self, request: Request) -> str:
        session = request.cookies.get(self._access.cookie, "")
        return self._access.form_key(session) if self._access.is_session(session) else ""

    def _token_file(self) -> str:
        return str(self._source.paths.secrets / "page-token")

    # --- for programs -----------------------------------------------------------------------------------------------

    async def api_status(self, _request: Request) -> Response:
        """As `daybreak status --json`."""
        return JSONResponse(self._source.snapshot())

    async def api_runs(self, request: Request) -> Response:
        """As `daybreak perf history --json`, newest first; `?limit=` of them."""
        given = request.query_params.get("limit", "50")
        limit = min(int(given), MOST_RUNS) if given.isascii() and given.isdigit() else 50
        return JSONResponse(await asyncio.to_thread(self._read_runs, limit))

    def _read_runs(self, limit: int) -> dict[str, Any]:
        with self._store() as store:
            return {"runs": [run.to_json() for run in store.runs(limit=limit)]}

    async def api_run(self, request: Request) -> Response:
        """One run with its events, phases and critical chain."""
        found = await asyncio.to_thread(self._read_run, request.path_params["run"])
        if found is None:
            raise HTTPException(404)
        return JSONResponse(found)

    def _read_run(self, number: int) -> dict[str, Any] | None:
        from daybreak.report.perf import chain_json

        with self._store() as store:
            run = store.find(number)
            return chain_json(run, store.events(number)) if run else None

    async def api_events(self, _request: Request) -> Response:
        """Every event from now on."""
        return streams.events(self._hub)

    async def api_logs(self, request: Request) -> Response:
        """The last lines of one service's logs; as a stream, new ones behind them."""
        follower = Follower(self._source.paths, self._service(request))
        if "text/event-stream" in request.headers.get("accept", ""):
            return streams.log_lines(self._hub, follower)
        lines = await asyncio.to_thread(follower.last)
        return JSONResponse({"lines": [line.to_json() for line in lines]})

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
                "places": {"state": self._source.paths.root, "runtime": self._source.paths.runtime, "shm": SHM},
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

    def _service(self, request: Request) -> str:
        """The service in the path; nothing but the names of logs that are there."""
        name: str = request.path_params["service"]
        if name not in Sources(self._source.paths).known():
            raise HTTPException(404)
        return name

    def _store(self) -> Store:
        return Store(self._source.paths.timeline, read_only=True)


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form; none where it is larger than ours are."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_FORM_BYTES:
            return {}
    return {key: values[0] for key, values in parse_qs(body.decode("utf-8", "replace")).items()}


def application(source: Source, hub: Hub, site: Site, access: Access) -> Starlette:
    """The page as an ASGI application."""
    page = Page(source, hub, site, access)
    return Starlette(routes=page.routes(), middleware=[Middleware(Guard, site=site, access=access)])
