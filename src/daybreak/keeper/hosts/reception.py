"""A machine that wants to join: its token, its versions, its name; then it is one of the hosts.

It waits its turn as every operation does: nobody joins in the middle of a restart, and two come one after the other.
"""

from __future__ import annotations

import contextlib
import hashlib
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from daybreak.errors import DaybreakError, NotRunning, UsageError
from daybreak.keeper.control.control_socket import Client
from daybreak.keeper.hosts import fit
from daybreak.keeper.hosts.book import Host, HostBook
from daybreak.keeper.hosts.door import REQUEST_S
from daybreak.keeper.hosts.offer import GROUP, Offer
from daybreak.keeper.hosts.wanted import Wanted
from daybreak.keeper.hosts.wire import Line
from daybreak.keeper.runner import Operation, Runner
from daybreak.machine.authority import Authority
from daybreak.spec.names import as_name, is_name


class Waiting(Client):
    """Whom a joining machine is told that it waits for."""

    def __init__(self, line: Line) -> None:
        self._line = line

    @property
    def gone(self) -> bool:
        return False

    def send(self, message: dict[str, Any]) -> None:
        self._line.send(message)


@dataclass
class Reception:
    """One cluster's. `look` tells what hosts should have now, or what a start deploys; None where nothing runs.
    `starting`: a first start goes on, and workers could join."""

    cluster: str
    book: HostBook
    authority: Authority
    runner: Runner
    look: Callable[[bool], Awaitable[Wanted | None]]
    joined: Callable[[Host], None]
    starting: Callable[[], bool]

    async def __call__(self, request: dict[str, Any], line: Line, address: str) -> None:
        """Raises DaybreakError where it may not join; its token can be used again then."""
        secret = str(request.get("token"))
        # Applications may wait for the hosts that their spec names: nothing of before is there that could be mixed in.
        at_once = bool(self.book.invited(secret, time.time()).ssh) and self.starting()
        turn = contextlib.nullcontext() if at_once else self.runner.turn(Operation("join", Waiting(line)))
        async with turn:
            # Somebody else may have used it meanwhile.
            invited = self.book.invited(secret, time.time())
            wanted = await self.look(at_once)
            if wanted is None:
                raise NotRunning(self.cluster, "there is nothing to join")
            host = fit.Versions(request.get("ray"), str(request.get("python")))
            fit.require(host, ray=wanted.offer.ray, python=wanted.offer.python)
            _require_group(request.get(GROUP), wanted.offer)
            name = self._name(request)
            # What speaks against it there is said before the token is used up.
            line.send({"cluster": self.cluster})
            await line.receive(REQUEST_S)
            place = str(request.get("address") or address)
            try:
                certificate = self.authority.issue(str(request.get("request")), name, place)
            except ValueError as error:
                raise UsageError(f"the request for a certificate is none: {error}") from error
            digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate)).hexdigest()
            now = time.time()
            made = Host(name, place, digest, now, invited.ssh)
            try:
                self.book.admit(secret, made, now)
            except OSError as error:
                raise DaybreakError(f"the first machine cannot keep that: {error.strerror}") from error
        self.joined(made)
        line.send({"name": name, "certificate": certificate, "offer": wanted.offer.to_json()})

    def _name(self, request: dict[str, Any]) -> str:
        """That which was asked for; where nobody has chosen it, one like it that is free."""
        if request.get("name") is None:
            return self.book.free_name(as_name(str(request.get("called"))))
        name = str(request["name"])
        if not is_name(name):
            raise UsageError(f"{name!r} is no name of a host")
        if name in self.book.hosts:
            raise UsageError(
                f"there is a host {name} already",
                hint=f"choose another --name; or, if it is gone, `daybreak hosts remove {name}` on the first machine",
            )
        return name


def _require_group(group: object, offer: Offer) -> None:
    """Raises UsageError where the spec has no such group of workers."""
    if group is not None and group not in offer.groups:
        known = ", ".join(offer.groups) or "none: all workers are alike"
        raise UsageError(f"the cluster's workers have no group {group}; nothing was changed", hint=f"groups: {known}")
