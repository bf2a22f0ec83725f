"""One attempt at one host: log in, let it prepare itself, let it join or start again."""

from __future__ import annotations

import asyncio
import os
import platform
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from daybreak import __version__
from daybreak.errors import DaybreakError
from daybreak.keeper.hosts import fit
from daybreak.keeper.ssh.session import Away, Session, logged_in
from daybreak.keeper.ssh.supplies import Supplies
from daybreak.services.build import Cluster
from daybreak.spec.ssh_hosts import SshHost
from daybreak.states import HostState

# Without a word: what is installed there may take long.
SILENCE_S = 1800.0


@dataclass(frozen=True)
class Attempt:
    """`go` is asked when everything is there: it tells which words daybreak there gets, and with which token. `tell`
    hears of each state, and what is done in it."""

    host: SshHost
    cluster: Cluster
    environment: Mapping[str, str]
    supplies: Supplies
    go: Callable[[], Awaitable[Mapping[str, Any]]]
    tell: Callable[[HostState, str], None]

    async def __call__(self) -> None:
        """Raises Away, Refused, and DaybreakError where what it needs cannot be made here."""
        ray = self.cluster.site.ray
        minor = await asyncio.to_thread(fit.python_minor, ray.python)
        digest, _ = await self.supplies.own()
        self.tell(HostState.CONNECTING, f"logging in at {self.host.ssh}")
        async with logged_in(self.host.ssh, self.host.python or f"python{minor} python3", self.environment) as session:
            await session.send(
                {
                    "cluster": self.cluster.spec.name,
                    "python": minor,
                    "ray": ray.version,
                    "daybreak": __version__,
                    "digest": digest,
                    "machine": [platform.system(), platform.machine()],
                }
            )
            while "done" not in (said := await _next(session)):
                await self._answer(said, session)

    async def _answer(self, said: Mapping[str, Any], session: Session) -> None:
        if "step" in said:
            self.tell(HostState.PREPARING, str(said["step"]))
        elif "ready" in said:
            order = await self.go()
            self.tell(HostState.JOINING, "joining" if order.get("token") else "starting its workers")
            await session.send(order)
        elif "need" in said:
            await self._send(str(said["need"]), session)

    async def _send(self, which: str, session: Session) -> None:
        try:
            if which == "own":
                _, path = await self.supplies.own()
            else:
                path = await self.supplies.all(self.cluster.site.ray.python)
            with path.open("rb") as file:
                await session.send_file(file, os.fstat(file.fileno()).st_size)
        except OSError as error:
            raise DaybreakError(f"what it needs cannot be packed here: {error}") from error


async def _next(session: Session) -> dict[str, Any]:
    try:
        async with asyncio.timeout(SILENCE_S):
            return await session.hear()
    except TimeoutError:
        raise Away(f"nothing was heard of it for {SILENCE_S:g} s") from None
