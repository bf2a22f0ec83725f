"""The application is asked once, as the load will, before anything is changed for a sweep."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from typing import Any

from daybreak.errors import DaybreakError, UsageError
from daybreak.extras.sweep.process import Request

PROBE_TIMEOUT_S = 30.0
FIRST_ERROR, FIRST_SERVER_ERROR = 400, 500


def first_route(url: str) -> str:
    """Of an application at `url`. Raises DaybreakError where Serve tells none."""
    try:
        with _open(url + "/-/routes") as answer:
            routes = json.load(answer)
        return str(next(iter(routes)))
    except (OSError, ValueError, StopIteration, TypeError) as error:
        raise DaybreakError(f"Serve does not tell its routes: {error}", hint="name one with --url") from error


def probe(request: Request) -> None:
    """One request, before anything is changed: a load that cannot succeed measures nothing."""
    try:
        with _open(request.url, request):
            return
    except urllib.error.HTTPError as error:
        error.close()
        if error.code < FIRST_ERROR:
            return
        what = f"{request.method} {request.url} was answered with {error.code} {error.reason}; nothing was changed"
        if error.code < FIRST_SERVER_ERROR:
            raise UsageError(
                what, hint="name a path with --url, and what it needs with --method, --body and --header"
            ) from error
        raise DaybreakError(what, hint="daybreak logs serve --level error") from error
    except OSError as error:
        raise DaybreakError(f"{request.method} {request.url}: {error}; nothing was changed") from error


def _open(url: str, request: Request | None = None) -> Any:
    """Without proxies and redirects, with any certificate, as the load is."""
    made = urllib.request.Request(url, method=request.method if request else "GET")
    if request:
        made.data = request.body
        for name, value in request.all_headers.items():
            made.add_header(name, value)
    tls = urllib.request.HTTPSHandler(context=ssl._create_unverified_context())
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect, tls)
    return opener.open(made, timeout=PROBE_TIMEOUT_S)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer like any other: it comes as an HTTPError."""

    def redirect_request(self, *_: Any) -> None:
        return None
