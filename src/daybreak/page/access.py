"""Who may do what: the token, links that log in once, sessions in a cookie, and what a form must carry.

Nothing is stored: a session is signed with the token, so it outlives the keeper, and a new token ends it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Mapping

SESSION_S = 7 * 24 * 3600
TICKET_S = 300.0
MOST_TICKETS = 32


class Access:
    """The checks of one page. `clock` gives seconds since 1970."""

    def __init__(self, token: str, port: int, clock: Callable[[], float] = time.time) -> None:
        self._token = token.encode()
        self._clock = clock
        self._tickets: dict[str, float] = {}
        # Browsers keep one set of cookies for all ports of a host.
        self.cookie = f"daybreak-{port}"

    def ticket(self) -> str:
        """A word that logs in once, within five minutes."""
        now = self._clock()
        self._tickets = {word: until for word, until in self._tickets.items() if until > now}
        while len(self._tickets) >= MOST_TICKETS:
            del self._tickets[next(iter(self._tickets))]
        made = secrets.token_urlsafe(32)
        self._tickets[made] = now + TICKET_S
        return made

    def redeem(self, ticket: str) -> bool:
        """Use a ticket up; False where it is not one, or not any more."""
        return self._tickets.pop(ticket, 0.0) > self._clock()

    def is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(errors="replace"), self._token)

    def session(self) -> str:
        """A new session, as the value of a cookie."""
        basis = f"{int(self._clock()) + SESSION_S}.{secrets.token_hex(16)}"
        return f"{basis}.{self._sign('session', basis)}"

    def is_session(self, value: str) -> bool:
        """Whether a cookie's value is a session that goes on."""
        basis, _, signature = value.rpartition(".")
        until = basis.partition(".")[0]
        # `isdigit` alone takes digits of every script.
        genuine = hmac.compare_digest(signature.encode(errors="replace"), self._sign("session", basis).encode())
        return genuine and until.isascii() and until.isdigit() and int(until) > self._clock()

    def form_key(self, session: str) -> str:
        """What a form of this session must carry: another site cannot know it."""
        return self._sign("form", session)

    def is_form_key(self, session: str, given: str) -> bool:
        return hmac.compare_digest(given.encode(errors="replace"), self.form_key(session).encode())

    def set_cookie(self) -> str:
        """A `Set-Cookie` header that begins a session."""
        return f"{self.cookie}={self.session()}; Path=/; Max-Age={SESSION_S}; HttpOnly; SameSite=Strict"

    def authorised(self, headers: Mapping[str, str], cookies: Mapping[str, str]) -> bool:
        """Whether a request brings the token or a session."""
        return self.bearer(headers) or self.is_session(cookies.get(self.cookie, ""))

    def bearer(self, headers: Mapping[str, str]) -> bool:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and self.is_token(given.strip())

    def _sign(self, purpose: str, text: str) -> str:
        return hmac.new(self._token, f"{purpose}:{text}".encode(errors="replace"), hashlib.sha256).hexdigest()
