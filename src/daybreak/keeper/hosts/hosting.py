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
from daybreak.keeper.hosts.certificates import Authority
from daybreak.keeper.hosts.company import Company
from daybreak.keeper.hosts.door import Door
from daybreak.keeper.hosts.reception import Reception
from daybreak.keeper.hosts.token import Token
from daybreak.keeper.runner import Runner
from daybreak.paths import ClusterPaths
from daybreak.services.build import Cluster
from daybreak.timeline.event import Kind
from daybreak.timeline.recorder import Recorder

FOLDER, BOOK = "hosts", "hosts.json"
LOOK_S = 1.0


class Hosting:
    """One cluster's."""

    def __init__(
        self, paths: ClusterPaths, followers: Followers, runner: Runner, background: Background, record: Recorder
    ) -> None:
        self._name = paths.name
        self._desired, self._runner, self._background = followers.desired, runner, background
        self._book = HostBook(paths.root / FOLDER / BOOK)
        self._authority = Authority(paths.root / FOLDER)

        def note(text: str, level: str) -> None:
            record.emit(Kind.NOTE, text=text, level=level)

        self.company = Company(paths, self._book, followers, background, note)
        reception = Reception(
            paths.name, self._book, self._authority, runner, self.company.renewed, self.company.joined
        )
        self._door = Door(self._book.of_certificate, reception, self.company.answer)

    def begin(self) -> None:
        """Look after the port from now on."""
        self._background.every(LOOK_S, "the port for hosts", self.look)

    async def look(self) -> None:
        """Open the port where somebody may come, close it where nobody may; tell hosts what has changed. Raises
        PreflightError where it cannot be opened."""
        cluster = self._desired.cluster
        if cluster is None or not cluster.spec.address or not self._book.needed(time.time()):
            if self._door.place and not self._runner.busy:
                await self.close()
            return
        place = (cluster.spec.address, cluster.spec.port("hosts"))
        if self._door.place != place:
            await self._door.close()
            await self._open(*place)
        if not self._runner.busy:
            await self.company.renewed()
            self.company.tell()

    async def close(self) -> None:
        if self._desired.cluster is None:
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
        await asyncio.to_thread(self._authority.ensure)
        token, now = Token.made_for(self._authority.certificate), time.time()
        until = now + minutes * 60
        self._book.invite(token.secret, until, uses, now)
        await self.look()
        assert self._door.place
        address, port = self._door.place
        place = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        return {"place": place, "token": str(token), "until": until, "uses": uses}

    async def revoke(self) -> int:
        """How many invitations could still have been used."""
        ended = self._book.revoke(time.time())
        await self.look()
        return ended

    def _cluster(self) -> Cluster:
        if self._desired.cluster is None:
            raise NotRunning(self._name)
        return self._desired.cluster
