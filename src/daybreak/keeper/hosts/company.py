"""The hosts that have joined: who is connected, what each has told, and what all of them are told.

What they should have is looked at between runs, never in the middle of one: while a generation is tried, or returned
from, they stay at the last.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from daybreak.errors import NotRunning, UsageError
from daybreak.keeper.background import Background
from daybreak.keeper.followers import Followers
from daybreak.keeper.hosts import wanted
from daybreak.keeper.hosts.asked_logs import AskedLogs
from daybreak.keeper.hosts.book import Host, HostBook
from daybreak.keeper.hosts.guests import SILENT_S, Guest
from daybreak.keeper.hosts.measured import ASKED
from daybreak.keeper.hosts.wanted import Wanted
from daybreak.keeper.hosts.wire import Line
from daybreak.keeper.ray.draining import Tell
from daybreak.keeper.versions.code import Code
from daybreak.paths import ClusterPaths
from daybreak.services.build import Cluster

# As long a deployment waits for its code to be on hosts.
CODE_S = 15.0
Note = Callable[[str, str], None]


class Company:
    """One cluster's. `note` puts a text and its level into the timeline."""

    def __init__(
        self, paths: ClusterPaths, book: HostBook, followers: Followers, background: Background, note: Note
    ) -> None:
        self._paths, self._book = paths, book
        self._followers, self._background, self._note = followers, background, note
        self._guests: dict[str, Guest] = {}
        self.logs = AskedLogs(book, lambda host: self._guest(host).line)
        self._wanted: Wanted | None = None
        self._looked_at: object = None
        # What is being deployed.
        self._next: Code | None = None
        # What the spec says of hosts, of this cluster.
        self._own_of: Cluster | None = None
        self._own: Mapping[str, Mapping[str, Any]] = {}

    def joined(self, host: Host) -> None:
        self._guests[host.name] = Guest(host, asyncio.get_running_loop().time())
        self._note(f"host {host.name} at {host.address} has joined", "info")

    async def remove(self, name: str) -> bool:
        """Drain a host's nodes, and take it out; False where it cannot be told now: it will be when it comes.

        Raises UsageError where there is no such host.
        """
        if name not in self._book.hosts:
            known = ", ".join(self._book.hosts) or "none"
            raise UsageError(f"there is no host {name}; nothing was changed", hint=f"hosts: {known}")
        guest = self._guest(self._book.hosts[name])
        guest.leaving = True
        await self._followers.draining.elsewhere(guest.places, _of_node(self._note))
        self._book.remove(name)
        self._guests.pop(name, None)
        self._note(f"host {name} is one no more", "info")
        if guest.line:
            guest.line.send({"removed": True})
        return guest.line is not None

    def rows(self) -> Sequence[dict[str, Any]]:
        """Each host as `status` tells of it."""
        now = asyncio.get_running_loop().time()
        return [self._guest(host).row(self._orders(host.name), now) for host in self._book.hosts.values()]

    def silent_s(self, name: str) -> float | None:
        """How long nothing was heard of a host; 0 while it is connected, None where there is none."""
        if name not in self._book.hosts:
            return None
        guest = self._guest(self._book.hosts[name])
        return 0.0 if guest.line else asyncio.get_running_loop().time() - guest.heard

    def has(self) -> Mapping[str, Mapping[str, Any]]:
        """What each host that was heard of has said of its workers."""
        return {name: guest.own for name, guest in self._guests.items() if guest.own is not None}

    async def bring(self, code: Code) -> None:
        """Let hosts have this code before anything of it is deployed. Who does not get it in time is told of."""
        self._next = code
        if self._wanted is None or not self._connected() or code.digest == self._wanted.code.digest:
            return
        # What has come of the deployment is looked at after it.
        self._wanted, self._looked_at = replace(self._wanted, code=code), None
        self.tell()
        digest = code.digest
        try:
            async with asyncio.timeout(CODE_S):
                for guest in self._connected():
                    while guest.code != digest and guest.line:
                        guest.news.clear()
                        await guest.news.wait()
        except TimeoutError:
            for guest in self._connected():
                if guest.code != digest:
                    self._note(f"host {guest.host.name} does not have the new code after {CODE_S:g} s", "warning")

    # --- what they ask for --------------------------------------------------------------------------------------------

    async def answer(self, host: Host, request: dict[str, Any], line: Line) -> None:
        """One connection of a host."""
        op, found = request.get("op"), self._wanted
        if op == "follow":
            await self._follow(host, request, line)
        elif op == "logs":
            await self.logs.bring(host.name, str(request.get("id")), line)
        elif found is None:
            raise NotRunning(self._paths.name)
        elif op == "offer":
            line.send({"offer": found.offer.to_json()})
        elif op == "code":
            await wanted.send_code(found, line)

    async def _follow(self, host: Host, report: dict[str, Any], line: Line) -> None:
        """As long as the connection lasts. A newer one of the same host takes its place."""
        guest, clock = self._guest(host), asyncio.get_running_loop().time

        async def leave() -> None:
            if host.name in self._book.hosts:
                await self.remove(host.name)

        guest.line = line
        guest.distance.forget()
        try:
            while guest.line is line:
                guest.hear(report, clock())
                if report.get("leaving") and not guest.leaving:
                    guest.leaving = True
                    self._background.keep(f"draining host {host.name}", leave)
                line.send({**self._orders(host.name), ASKED: time.time()})
                report = await line.receive(SILENT_S)
        finally:
            if guest.line is line:
                guest.line = None
                guest.news.set()

    # --- what they are told -------------------------------------------------------------------------------------------

    async def renewed(self, *, in_start: bool = False) -> Wanted | None:
        """What hosts should have now, or with `in_start` what a first start that goes on deploys; None where nothing
        runs."""
        if self._next is not None and not in_start:
            self._next = self._looked_at = None
        desired = self._followers.desired
        state, cluster = desired.state, desired.serving
        if state is None or cluster is None:
            self._wanted = self._looked_at = None
            return None
        now = (id(cluster), state.generation, state.version, state.rolled_back)
        if self._wanted is None or now != self._looked_at:
            found = await wanted.look(desired, cluster, self._paths)
            self._wanted, self._looked_at = replace(found, code=self._next or found.code), now
        return self._wanted

    def tell(self) -> None:
        """Those who do not have it yet; all others are told with their next report."""
        for guest in self._connected():
            orders = self._orders(guest.host.name)
            if guest.line and not guest.has(orders):
                guest.line.send(orders)

    def tell_of_the_end(self) -> None:
        """Nothing runs here any more: they wait until something does."""
        for guest in self._connected():
            if guest.line:
                guest.line.send({"stopped": True})

    def _orders(self, name: str) -> dict[str, Any]:
        """A host that the spec names is told what it says of its workers, too."""
        if self._wanted is None:
            return {}
        cluster = self._followers.desired.serving
        # Asked for with each message of each host.
        if cluster is not self._own_of:
            self._own_of = cluster
            self._own = {host.called: {"own": dict(host.own())} for host in cluster.spec.hosts} if cluster else {}
        return {**self._wanted.orders(), **self._own.get(name, {})}

    def _connected(self) -> list[Guest]:
        return [guest for guest in self._guests.values() if guest.line]

    def _guest(self, host: Host) -> Guest:
        """One that this keeper has never heard of is not heard of since it was first asked for."""
        if host.name not in self._guests:
            self._guests[host.name] = Guest(host, asyncio.get_running_loop().time())
        return self._guests[host.name]


def _of_node(note: Note) -> Tell:
    def tell(service: str, text: str, level: str = "info") -> None:
        note(f"{service} {text}", level)

    return tell
