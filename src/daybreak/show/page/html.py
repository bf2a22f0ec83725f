"""What the page answers people: the pages, the login and the restart."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from daybreak.show.page.access import Access
from daybreak.show.page.guard import LOGIN
from daybreak.show.page.path_values import run_of, service_of
from daybreak.show.page.source import Source
from daybreak.show.page.traffic_view import PERIOD_S

if TYPE_CHECKING:
    from daybreak.show.page.render import Pages

MOST_FORM_BYTES = 4096


class Html:
    """The endpoints for browsers."""

    def __init__(self, source: Source, access: Access) -> None:
        self._source = source
        self._access = access
        self._pages: Pages | None = None
        # One at a time: many open pages must not take the processor from the cluster.
        self._drawing = asyncio.Lock()

    def routes(self) -> list[Route]:
        return [
            Route("/", self.index),
            Route("/traffic", self.traffic),
            Route("/runs/{run}", self.run),
            Route("/logs/{service}", self.logs),
            Route(LOGIN, self.login, methods=["GET", "POST"]),
            Route("/actions/restart", self.restart, methods=["POST"]),
        ]

    async def index(self, request: Request) -> Response:
        """What runs, the last start, the history, the last events."""
        return await self._draw("index", request, routes=self._source.routes(), seconds=self._source.seconds(PERIOD_S))

    async def traffic(self, request: Request) -> Response:
        """The part of it that changes every second."""
        return await self._draw("traffic", request, seconds=self._source.seconds(PERIOD_S))

    async def run(self, request: Request) -> Response:
        """One run: its chart, its chain, its events."""
        return await self._draw("run", request, run=run_of(request))

    async def logs(self, request: Request) -> Response:
        """The last lines of one service's logs."""
        return await self._draw("logs", request, service=service_of(request, self._source.paths))

    async def login(self, request: Request) -> Response:
        """Asks for the token, and turns it into a session."""
        refused = False
        if request.method == "POST":
            form = await _form(request)
            if self._access.is_token(form.get("token", "").strip()):
                return RedirectResponse("/", 303, headers={"set-cookie": self._access.set_cookie()})
            refused = True
        facts = {"refused": refused, "token_file": str(self._source.paths.secrets / "page-token")}
        return HTMLResponse(await asyncio.to_thread(self._render, "login", facts), 401 if refused else 200)

    async def restart(self, request: Request) -> Response:
        """Begin a restart. A session must bring its form's key; the token needs nothing else."""
        if not self._access.bearer(request.headers):
            form = await _form(request)
            if not self._access.is_form_key(self._session(request), form.get("key", "")):
                return PlainTextResponse("The form is too old: open the page again.\n", 403)
        begun = self._source.restart()
        if "text/html" not in request.headers.get("accept", ""):
            return JSONResponse({"begun": begun}, 202 if begun else 409)
        if not begun:
            return PlainTextResponse("Not now: something else is under way, or nothing runs.\n", 409)
        return RedirectResponse("/", 303)

    async def _draw(self, name: str, request: Request, **details: Any) -> Response:
        session = self._session(request)
        facts = {
            "snapshot": self._source.snapshot(),
            "authorised": self._access.authorised(request.headers, request.cookies),
            "form_key": self._access.form_key(session) if self._access.is_session(session) else "",
            **details,
        }
        async with self._drawing:
            text = await asyncio.to_thread(self._render, name, facts)
        if text is None:
            raise HTTPException(404)
        return HTMLResponse(text)

    def _render(self, name: str, facts: Mapping[str, Any]) -> str | None:
        # jinja2 is imported when somebody asks, in the thread of whom it is asked.
        from daybreak.show.page.render import Pages

        if self._pages is None:
            self._pages = Pages(self._source.paths, time.time)
        made: str | None = getattr(self._pages, name)(**facts)
        return made

    def _session(self, request: Request) -> str:
        return request.cookies.get(self._access.cookie, "")


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form; none where it is larger than ours are."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_FORM_BYTES:
            return {}
    return {key: values[0] for key, values in parse_qs(body.decode("utf-8", "replace")).items()}
