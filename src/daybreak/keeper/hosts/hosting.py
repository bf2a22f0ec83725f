"""The first machine's side: invitations, and the port for hosts.

The port is open only while somebody may come: with an invitation that still counts, or a host.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from daybreak.errors import NotRunning, PreflightError, UsageError
from daybreak.keeper.background import Background
from daybreak.keeper.followers import Followers
from daybreak.keeper.hosts.book import HostBook
from daybreak.keeper.hosts.company import Company
from daybreak.keeper.hosts.door import Door
from daybreak.keeper.hosts.reception import Reception
from daybreak.keeper.hosts.token import Token
from daybreak.keeper.hosts.wanted import Wanted
from daybreak.keeper.runner import Runner
from daybreak.machine.authority import Authority
from daybreak.names import HEAD
from daybreak.paths import ClusterPaths
from daybreak.services.build import Cluster
from daybreak.states import FINE, ServiceState
from daybreak.timeline.event import Kind, RunKind
from daybreak.timeline.recorder import Recorder

# A host that the spec names is there already when it is invited.
HOST_MINUTES = 30.0
LOOK_S = 1.0
GCS_GATE = "gcs"


class Hosting:
    """One cluster's."""

    def __init__(
        self, paths: ClusterPaths, followers: Followers, runner: Runner, background: Background, record: Recorder
    ) -> None:
        self._name = paths.name
        self._desired, self._runner, self._background = followers.desired, runner, background
        self._followers = followers
        self.book = HostBook(paths.hosts_book)
        self._authority = Authority(paths.hosts_book.parent)
        # Two that make certificates, or open the port, at once would each have half of it.
        self._one_at_a_time = asyncio.Lock()

        def note(text: str, level: str) -> None:
            record.emit(Kind.NOTE, text=text, level=level)

        async def look(in_start: bool) -> Wanted | None:
            return await self.company.renewed(in_start=in_start)

        self.company = Company(paths, self.book, followers, background, note)
        reception = Reception(
            paths.name, self.book, self._authority, runner, look, self.company.joined, self._in_a_start
        )
        self._door = Door(self.book.of_certificate, reception, self.company.answer)

    def begin(self) -> None:
        """Look after the port from now on."""
        self._background.every(LOOK_S, "the port for hosts", self.look)

    async def look(self) -> None:
        """Open the port where somebody may come, close it where nobody may; tell hosts what has changed. Raises
        PreflightError where it cannot be opened."""
        async with self._one_at_a_time:
            await self._look()

    async def _look(self) -> None:
        cluster = self._desired.serving
        if cluster is None or not cluster.spec.address or not self.book.needed(time.time()):
            if self._door.place and not self._runner.busy:
                await self.close()
            return
        place = (cluster.spec.address, cluster.spec.port("hosts"))
        if self._door.place != place:
            await self._door.close()
            await self._open(*place)
        in_start = self._in_a_start()
        if in_start or not self._runner.busy:
            await self.company.renewed(in_start=in_start)
            self.company.tell()

    async def close(self) -> None:
        if self._desired.serving is None:
            self.company.tell_of_the_end()
        await self._door.close()

    async def _open(self, address: str, port: int) -> None:
        try:
            await asyncio.to_thread(self._authority.ensure)
            await self._door.open(address, port, self._authority.context())
        except OSError as error:
            raise PreflightError(
                [f"hosts cannot be listened for at {address}:{port}: {error.strerror or error}"],
                hint="`address` must be one of this machine's; `ports: {hosts: ...}` chooses another port",
            ) from error

    async def invite(self, minutes: float, uses: int) -> dict[str, Any]:
        """What is typed on the other machine. Raises DaybreakError where nothing runs, or nobody could come."""
        cluster = self._cluster()
        if not cluster.spec.address:
            raise UsageError(
                "other machines cannot reach this one: the spec does not say at which address; nothing was changed",
                hint="write `address: 10.0.0.5`, this machine's own in their network, into daybreak.yaml; "
                "then `daybreak restart`",
            )
        if cluster.spec.ray.tls.certificate:
            raise UsageError(
                "who is invited gets a certificate of the cluster's own authority, and the spec names others for Ray; "
                "nothing was changed",
                hint="write `ray: {tls: true}`, or a spec with `join` on the other machine",
            )
        place, token, until = await self._invite(minutes, uses)
        return {"place": place, "token": token, "until": until, "uses": uses}

    async def invite_host(self, ssh: str) -> tuple[str, str]:
        """For one host that the spec names: where it joins, and with which token. Raises PreflightError."""
        place, token, _ = await self._invite(HOST_MINUTES, 1, ssh)
        return place, token

    def withdraw(self, token: str) -> None:
        """Used or not, it counts no more."""
        self.book.withdraw(Token.parse(token).secret)

    def can_be_joined(self) -> bool:
        """Could workers join? Also where what runs has no head."""
        cluster, row = self._desired.serving, self._followers.board.rows.get(HEAD)
        if cluster is None:
            return False
        if not any(each.name == HEAD for each in cluster.services):
            return True
        # Workers elsewhere have processors of their own: they need the GCS, and do not wait for the rest of the head.
        begun = row is not None and row.state is ServiceState.STARTING and GCS_GATE in row.passed
        return begun or (row is not None and row.state in FINE)

    def _in_a_start(self) -> bool:
        return self._runner.kind is RunKind.STARTUP and self.can_be_joined()

    async def _invite(self, minutes: float, uses: int, ssh: str = "") -> tuple[str, str, float]:
        async with self._one_at_a_time:
            await asyncio.to_thread(self._authority.ensure)
        token, now = Token.made_for(self._authority.certificate), time.time()
        until = now + minutes * 60
        self.book.invite(token.secret, until, uses, now, ssh)
        await self.look()
        if self._door.place is None:
            raise NotRunning(self._name)
        address, port = self._door.place
        place = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        return place, str(token), until

    async def revoke(self) -> int:
        """How many invitations could still have been used."""
        ended = self.book.revoke(time.time())
        await self.look()
        return ended

    def _cluster(self) -> Cluster:
        if self._desired.serving is None:
            raise NotRunning(self._name)
        return self._desired.serving
