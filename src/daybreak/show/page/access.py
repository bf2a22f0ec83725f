"""Who may do what: the token, links that log in once, sessions in a cookie, and what a form must carry.

Nothing is stored: a session is signed with the token, so it outlives the keeper, and a new token ends it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any

from itsdangerous import Signer, TimestampSigner

SESSION_S = 7 * 24 * 3600
TICKET_S = 300.0
MOST_TICKETS = 32


class Access:
    """The checks of one page. `scrape_token` opens what monitoring reads; `clock` gives seconds since 1970."""

    def __init__(self, token: str, port: int, scrape_token: str = "", clock: Callable[[], float] = time.time) -> None:
        self._token = token
        self._scrape_token = scrape_token
        self._clock = clock
        self._tickets: dict[str, float] = {}
        how: dict[str, Any] = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
        self._sessions = _Sessions(token, salt="session", **how)
        self._sessions.clock = clock
        self._forms = Signer(token, salt="form", **how)
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
        return _is_same(given, self._token)

    def session(self) -> str:
        """A new session, as the value of a cookie."""
        return self._sessions.sign(secrets.token_hex(16)).decode()

    def is_session(self, value: str) -> bool:
        """Whether a cookie's value is a session that goes on."""
        return self._sessions.validate(value.encode(errors="replace"), max_age=SESSION_S)

    def form_key(self, session: str) -> str:
        """What a form of this session must carry: another site cannot know it."""
        return self._forms.get_signature(session.encode(errors="replace")).decode()

    def is_form_key(self, session: str, given: str) -> bool:
        return _is_same(given, self.form_key(session))

    def set_cookie(self) -> str:
        """A `Set-Cookie` header that begins a session."""
        return f"{self.cookie}={self.session()}; Path=/; Max-Age={SESSION_S}; HttpOnly; SameSite=Strict"

    def authorised(self, headers: Mapping[str, str], cookies: Mapping[str, str]) -> bool:
        """Whether a request brings the token or a session."""
        return self.bearer(headers) or self.is_session(cookies.get(self.cookie, ""))

    def bearer(self, headers: Mapping[str, str]) -> bool:
        """Whether a request brings the token itself."""
        return self.is_token(_bearer(headers))

    def may_scrape(self, headers: Mapping[str, str]) -> bool:
        """Whether a request brings what opens nothing but what monitoring reads."""
        return self._scrape_token != "" and _is_same(_bearer(headers), self._scrape_token)


class _Sessions(TimestampSigner):
    clock: Callable[[], float] = time.time

    def get_timestamp(self) -> int:
        return int(self.clock())


def _bearer(headers: Mapping[str, str]) -> str:
    scheme, _, given = headers.get("authorization", "").partition(" ")
    return given.strip() if scheme.lower() == "bearer" else ""


def _is_same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), expected.encode())
