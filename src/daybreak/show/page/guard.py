"""What every request must pass before it reaches the page: a known host, no other site behind it, the token if needed.

Browsers bring other sites' requests to loopback addresses: by a name that resolves to 127.0.0.1 (DNS rebinding, seen
in the Host header), and by forms and scripts of other sites (seen in Origin and Sec-Fetch-Site).
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from daybreak.hosts import host_name, is_address, is_loopback
from daybreak.show.page.access import Access
from daybreak.show.page.source import Address

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
# What answers without a token wherever the page listens: it shows no logs and no errors.
OPEN = ("/metrics", "/healthz")
# Which endpoints Ray has: for Prometheus, which has a token for nothing else, and may run as anybody.
DISCOVERY = "/sd/ray"
LOGIN = "/login"
STATIC = "/static/"
ICON = "/favicon.ico"
READING = ("GET", "HEAD")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # Not `no-referrer`: with that a browser hides where a form came from.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class Guard:
    """An ASGI middleware around the page."""

    def __init__(self, app: ASGIApp, *, at: Address, access: Access, is_ours: Callable[[Scope], bool]) -> None:
        self._app = app
        self._access = access
        self._is_ours = is_ours
        self._names = {*LOOPBACK_NAMES, at.listen.lower(), *(name.lower() for name in at.names)}
        self._public = not is_loopback(at.listen)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        if scope["type"] != "http":
            return
        request = Request(scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", []))
                known = {name.lower() for name, _ in headers}
                extra = HEADERS | {"cache-control": "no-store"}
                headers += [(k.encode(), v.encode()) for k, v in extra.items() if k.encode() not in known]
                message = {**message, "headers": headers}
            await send(message)

        refused = self._refuse(request)
        await (refused or self._app)(scope, receive, send_with_headers)

    def _refuse(self, request: Request) -> Response | None:
        """The answer to a request that goes no further; None where it may."""
        hosts = request.headers.getlist("host")
        if len(hosts) != 1 or not self._is_known(hosts[0], request):
            return PlainTextResponse(
                "This page is not served under that name. Names that are: see page.names in the spec.\n", 421
            )
        if self._is_foreign(request, hosts[0]):
            return PlainTextResponse("Requests of other sites are refused.\n", 403)
        ticket = request.query_params.get("token")
        if ticket is not None:
            return self._redeem(ticket, request)
        path = request.url.path
        if path in (LOGIN, ICON) or path.startswith(STATIC) or (request.method in READING and path in OPEN):
            return None
        if request.method in READING and not self._public and path == DISCOVERY:
            return None
        if self._access.authorised(request.headers, request.cookies):
            return None
        if request.method in READING and not self._public and self._is_ours(request.scope):
            return None
        if path == DISCOVERY and self._access.may_scrape(request.headers):
            return None
        if request.method in READING and "text/html" in request.headers.get("accept", ""):
            return Response(status_code=303, headers={"location": LOGIN})
        return PlainTextResponse(
            "The token is needed: Authorization: Bearer.\n", 401, headers={"www-authenticate": "Bearer"}
        )

    def _redeem(self, ticket: str, request: Request) -> Response:
        """Turn a ticket into a session; the address that held it is left at once."""
        if request.method == "GET" and self._access.redeem(ticket):
            return Response(status_code=303, headers={"location": "/", "set-cookie": self._access.set_cookie()})
        return PlainTextResponse(
            "This link was used already, or is too old. `daybreak page --token` prints a new one.\n", 401
        )

    def _is_known(self, host: str, request: Request) -> bool:
        name = host_name(host)
        if name is None:
            return False
        if name in self._names:
            return True
        # An address is no name that could resolve to another one: it is right where it is the one connected to.
        local = request.scope.get("server")
        return local is not None and is_address(name) and name == str(local[0]).lower().removeprefix("::ffff:")

    @staticmethod
    def _is_foreign(request: Request, host: str) -> bool:
        origin = request.headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return True
        site = request.headers.get("sec-fetch-site", "none")
        if site in ("none", "same-origin"):
            return False
        # Following a link is harmless: the other site sees nothing of it.
        return not (
            request.method == "GET"
            and request.headers.get("sec-fetch-mode") == "navigate"
            and request.headers.get("sec-fetch-dest") == "document"
        )
