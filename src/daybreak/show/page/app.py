"""The page: a Starlette application that is given a `Source` and reads the rest from disk."""

from __future__ import annotations

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.types import Scope

from daybreak.show.page import files, peers
from daybreak.show.page.access import Access
from daybreak.show.page.api import Api
from daybreak.show.page.guard import Guard
from daybreak.show.page.html import Html
from daybreak.show.page.live import Hub
from daybreak.show.page.scraped import Scraped
from daybreak.show.page.source import Address, Source


def application(
    source: Source, hub: Hub, at: Address, access: Access, is_ours: Callable[[Scope], bool] = peers.is_ours
) -> Starlette:
    """The page as an ASGI application. `is_ours` tells whether a request comes from this account, or root."""
    routes = [*Html(source, access).routes(), *files.routes(), *Api(source, hub).routes(), *Scraped(source).routes()]
    return Starlette(routes=routes, middleware=[Middleware(Guard, at=at, access=access, is_ours=is_ours)])
