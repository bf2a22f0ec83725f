"""The hosts that the spec names: each that is not there is brought in, again and again, while the rest serves.

Preparing goes on beside a run; a host joins as soon as a first start's head has its GCS, else after the run.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from daybreak.errors import DaybreakError
from daybreak.keeper.background import Background
from daybreak.keeper.followers import Followers
from daybreak.keeper.hosts.book import HostBook
from daybreak.keeper.hosts.company import Company, Note
from daybreak.keeper.runner import Operation
from daybreak.keeper.ssh import changes
from daybreak.keeper.ssh.bringing import Attempt
from daybreak.keeper.ssh.supplies import Supplies
from daybreak.spec.model import Spec
from daybreak.spec.ssh_hosts import SshHost
from daybreak.states import HostState

LEFT = "or was removed: `daybreak up` lets it join again"
LOOK_S = 2.0
# A host that is a member has this long to come by itself: its keeper asks for the first machine every 10 s.
LOST_S = 15.0
PAUSES_S = (5.0, 15.0, 30.0, 60.0, 120.0, 300.0)
READY_LOOK_S = 0.1
# Nothing is done about such a host at this moment.
ENDED = (HostState.AWAY, HostState.LEFT)
log = logging.getLogger(__name__)


class Inviting(Protocol):
    """How a host is let in: `invite_host` gives HOST:PORT and a token for one of that name alone."""

    def can_be_joined(self) -> bool: ...

    async def invite_host(self, ssh: str) -> tuple[str, str]: ...

    def withdraw(self, token: str) -> None: ...


@dataclass
class Entry:
    """One host that is brought in. `tried`: an attempt has come to an end; `again` cuts the pause before the next.
    `failed`: the last one has, whatever is tried now."""

    host: SshHost
    state: HostState = HostState.CONNECTING
    reason: str = ""
    hint: str = ""
    told: str = ""
    failed: bool = False
    tried: asyncio.Event = field(default_factory=asyncio.Event)
    again: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class SshHosts:
    """One cluster's. `note` puts a text and its level into the timeline."""

    def __init__(
        self,
        followers: Followers,
        company: Company,
        book: HostBook,
        inviting: Inviting,
        supplies: Supplies,
        background: Background,
        note: Note,
        attempt: Callable[..., Callable[[], Awaitable[None]]] = Attempt,
    ) -> None:
        self._followers, self._company, self._book, self._inviting = followers, company, book, inviting
        self._supplies, self._background, self._note, self._attempt = supplies, background, note, attempt
        self._entries: dict[str, Entry] = {}
        self._environment: Mapping[str, str] | None = None
        self._listening: Operation | None = None

    def begin(self) -> None:
        """Look after them from now on."""
        self._background.every(LOOK_S, "hosts by SSH", self.look)

    def hear(self, environment: Mapping[str, str] | None, operation: Operation, anew: Spec | None) -> None:
        """A command begins: ssh has its environment from now on, it is told what happens, and who is away and in the
        spec `anew` is tried again at once."""
        self._environment = environment or self._environment
        self._listening = operation
        named = changes.named(anew) if anew else {}
        self._book.welcome(named)
        for name, entry in self._entries.items():
            if entry.state in ENDED and named.get(name) == entry.host:
                entry.tried.clear()
                entry.again.set()

    @property
    def concerned(self) -> bool:
        """Does the spec name any, or are there such?"""
        return bool(self._wanted()) or any(host.ssh for host in self._book.hosts.values())

    async def look(self) -> None:
        """Begin with those that are not there, and end with those that nobody wants."""
        wanted = self._wanted()
        for name, entry in [*self._entries.items()]:
            if wanted.get(name) != entry.host and entry.task:
                entry.task.cancel()
                entry.tried.set()
                del self._entries[name]
        for name, host in wanted.items():
            begun = self._entries.get(name)
            if name in self._book.left:
                if begun and begun.task:
                    begun.task.cancel()
                self._entries[name] = Entry(host, HostState.LEFT, LEFT)
                self._entries[name].tried.set()
            elif (begun is None or begun.task is None or begun.task.done()) and not self._is_there(host):
                new = self._entries[name] = Entry(host)
                new.task = self._background.keep(f"host {name} by SSH", partial(self._bring, new))

    async def settled(self, operation: Operation) -> None:
        """After a command's run: who is gone from the spec leaves, and each host has been tried once. A second Ctrl-C
        is not needed: what is waited for goes on by itself."""
        wanted = self._wanted()
        for name, ssh in changes.unmarked(wanted, self._book.hosts).items():
            self._book.mark(name, ssh)
        try:
            gone = changes.gone(wanted, self._book.hosts)
            await asyncio.gather(*(self._remove(name, operation) for name in gone))
            await self.look()
            for entry in [*self._entries.values()]:
                await entry.tried.wait()
            for line in _warnings(self._entries):
                operation.note(line)
        except asyncio.CancelledError:
            if not operation.cancelled:
                raise
            operation.note("hosts are not waited for any more: they are brought in all the same")
        finally:
            if self._listening is operation:
                self._listening = None

    def rows(self) -> Sequence[dict[str, Any]]:
        """All hosts as `status` tells of them, those that have not joined behind the others."""
        rows = {str(row["name"]): dict(row) for row in self._company.rows()}
        for name in self._wanted():
            entry = self._entries.get(name)
            if entry is None or entry.state is HostState.READY:
                continue
            if name in rows:
                rows[name]["reason"] = "; ".join(filter(None, (rows[name]["reason"], entry.reason)))
            else:
                rows[name] = {"name": name, "address": entry.host.ssh, "state": entry.state, "reason": entry.reason}
                rows[name] |= {"nodes": [], "heard_ago_s": None, "since": None, "failed": entry.failed}
        return [*rows.values()]

    # --- one of them --------------------------------------------------------------------------------------------------

    async def _bring(self, entry: Entry) -> None:
        """Until it is there."""
        failures = 0
        while not self._is_there(entry.host):
            entry.again.clear()
            try:
                await self._try(entry)
                await self._heard(entry.host)
            except Exception as error:  # whatever it is: a command waits for the end of this attempt
                pause_s = PAUSES_S[min(failures, len(PAUSES_S) - 1)]
                failures += 1
                self._failed(entry, error)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause_s):
                        await entry.again.wait()
                failures = 0 if entry.again.is_set() else failures
            else:
                self._tell(entry, HostState.READY, "joined")
                break
        entry.state, entry.reason = HostState.READY, ""
        entry.tried.set()

    async def _try(self, entry: Entry) -> None:
        cluster, token = self._followers.desired.serving, ""
        if cluster is None:
            raise DaybreakError("nothing runs here that it could join")

        async def go() -> Mapping[str, Any]:
            nonlocal token
            while not self._inviting.can_be_joined():
                await asyncio.sleep(READY_LOOK_S)
            if entry.host.called in self._book.hosts:
                return {"argv": ["up", "-n", cluster.spec.name]}
            place, token = await self._inviting.invite_host(entry.host.ssh)
            own = json.dumps(dict(entry.host.own()))
            return {"token": token, "argv": ["join", place, "--name", entry.host.called, "--own", own]}

        tell = partial(self._tell, entry)
        environment = self._environment or self._followers.desired.environment
        try:
            await self._attempt(entry.host, cluster, environment, self._supplies, go, tell)()
        finally:
            if token:
                self._inviting.withdraw(token)

    async def _heard(self, host: SshHost) -> None:
        """Its keeper follows the first machine. Raises DaybreakError where it does not."""
        try:
            async with asyncio.timeout(LOST_S):
                while not self._is_there(host):
                    await asyncio.sleep(READY_LOOK_S)
        except TimeoutError:
            raise DaybreakError(f"it was started, but nothing was heard of it for {LOST_S:g} s") from None

    def _tell(self, entry: Entry, state: HostState, text: str) -> None:
        entry.state, entry.reason = state, "" if state is HostState.READY else text
        if self._listening:
            self._listening.note(f"host {entry.host.called}: {text}")

    def _failed(self, entry: Entry, error: Exception) -> None:
        if isinstance(error, DaybreakError):
            words = error.message
        else:
            words = f"{type(error).__name__}: {error}"
            log.error("host %s by SSH", entry.host.called, exc_info=error)
        entry.failed = True
        entry.hint = (error.hint or "") if isinstance(error, DaybreakError) else ""
        first, *rest = words.splitlines()
        # Of what a program has said the last line tells why.
        entry.state, entry.reason = HostState.AWAY, ": ".join([first, *rest[-1:]])
        if entry.told != words:
            entry.told = words
            self._note(f"host {entry.host.called} ({entry.host.ssh}) is away: {words}", "warning")
        entry.tried.set()

    # --- all of them --------------------------------------------------------------------------------------------------

    async def _remove(self, name: str, operation: Operation) -> None:
        operation.note(f"host {name}: is in the spec no more: its nodes are drained")
        try:
            told = await self._company.remove(name)
            self._book.welcome([name])
        except DaybreakError as error:
            operation.note(f"warning: host {name} is not removed: {error.message}")
            return
        if not told:
            operation.note(f"host {name} does not answer: it stops its nodes when it is there again")

    def _wanted(self) -> dict[str, SshHost]:
        cluster = self._followers.desired.serving
        return changes.named(cluster.spec) if cluster else {}

    def _is_there(self, host: SshHost) -> bool:
        silent_s = self._company.silent_s(host.called)
        return silent_s is not None and silent_s <= LOST_S


def _warnings(entries: Mapping[str, Entry]) -> Iterator[str]:
    """Of every host that is away, all at once."""
    for name, entry in entries.items():
        if entry.state is HostState.LEFT:
            yield f"warning: host {name} left, {entry.reason}"
        elif entry.state is HostState.AWAY:
            hint = f" ({entry.hint})" if entry.hint else ""
            yield f"warning: host {name} is away: {entry.reason}{hint}; it is tried again"
