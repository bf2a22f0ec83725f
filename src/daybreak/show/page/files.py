"""The page's own three files."""

from __future__ import annotations

from hashlib import sha256
from importlib import resources

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from daybreak.show.page.guard import ICON, STATIC

FILES = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}


def routes() -> list[Route]:
    # The icon also where browsers look for it beside answers that are no pages.
    return [Route(STATIC + "{name}", file), Route(ICON, file)]


async def file(request: Request) -> Response:
    """One of them; whoever has it already is told that it is the same."""
    name = request.path_params.get("name", "icon.svg")
    if name not in FILES:
        raise HTTPException(404)
    body = resources.files("daybreak.show.page").joinpath("static", name).read_bytes()
    tag = f'"{sha256(body).hexdigest()[:16]}"'
    headers = {"etag": tag, "cache-control": "no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(body, headers={**headers, "content-type": f"{FILES[name]}; charset=utf-8"})
