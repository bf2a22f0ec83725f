"""What the first machine keeps of invitations and hosts: one file (0600), changed by its keeper alone."""

from __future__ import annotations

import hmac
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from daybreak.errors import UsageError
from daybreak.files import read_book, write_private
from daybreak.keeper.hosts import token


@dataclass(frozen=True)
class Invitation:
    """Of its secret only the hash is kept; `until` is seconds since 1970, `uses` how often it still may be used. `ssh`
    is where the host is logged into that it was made for, nothing for one that is typed."""

    digest: str
    until: float
    uses: int
    ssh: str = ""


@dataclass(frozen=True)
class Host:
    """A machine that has joined; `certificate` is the SHA-256 of its (DER, in hex), `since` seconds since 1970. `ssh`
    is where the spec has it logged into, nothing for one that was invited by hand."""

    name: str
    address: str
    certificate: str
    since: float
    ssh: str = ""


class HostBook:
    """One cluster's. Each change is on disk before it counts; raises OSError where it cannot be."""

    def __init__(self, path: Path) -> None:
        self._path = path
        read = read_book(path)
        self._invitations = [Invitation(**each) for each in read.get("invitations", ())]
        self._hosts = {name: Host(**each) for name, each in read.get("hosts", {}).items()}
        # Those that the spec had, and that left, or were removed: they are not let in again until somebody asks.
        self.left: frozenset[str] = frozenset(read.get("left", ()))

    @property
    def hosts(self) -> Mapping[str, Host]:
        return self._hosts

    def needed(self, now: float) -> bool:
        """Is there anybody who may come?"""
        return bool(self._hosts) or any(each.until > now for each in self._invitations)

    def open_invitations(self, now: float) -> list[Invitation]:
        return [each for each in self._invitations if each.until > now and each.uses > 0]

    def invite(self, secret: str, until: float, uses: int, now: float, ssh: str = "") -> None:
        """What is over is forgotten meanwhile."""
        added = Invitation(token.digest(secret), until, uses, ssh)
        self._save([*self.open_invitations(now), added], self._hosts)

    def revoke(self, now: float) -> int:
        """End all invitations; returns how many could still have been used."""
        ended = len(self.open_invitations(now))
        self._save([], self._hosts)
        return ended

    def withdraw(self, secret: str) -> None:
        """One invitation that was not used."""
        digest = token.digest(secret)
        self._save([each for each in self._invitations if each.digest != digest], self._hosts)

    def invited(self, secret: str, now: float) -> Invitation:
        """The invitation with that secret. Raises UsageError where it was never one, or is one no more."""
        digest = token.digest(secret)
        found = next((each for each in self._invitations if hmac.compare_digest(each.digest, digest)), None)
        if found is None or found.uses < 1:
            why = "was used already" if found else "is not known here: it was used, revoked, or is over"
            raise UsageError(f"the token {why}", hint="`daybreak invite` on the first machine makes another one")
        if found.until <= now:
            raise UsageError(
                f"the token is over since {now - found.until:.0f} s",
                hint="`daybreak invite` on the first machine makes another one; --minutes says for how long",
            )
        return found

    def admit(self, secret: str, host: Host, now: float) -> None:
        """Use the invitation up, and take the host in: both or none. Raises UsageError where it may not."""
        used = self.invited(secret, now)
        rest = [replace(each, uses=each.uses - 1) if each is used else each for each in self._invitations]
        self._save(rest, {**self._hosts, host.name: host})

    def free_name(self, wanted: str) -> str:
        """The name, or with a number where another host has it."""
        names = [wanted, *(f"{wanted}-{number}" for number in range(2, len(self._hosts) + 3))]
        return next(name for name in names if name not in self._hosts)

    def of_certificate(self, certificate: str) -> Host | None:
        return next((host for host in self._hosts.values() if host.certificate == certificate), None)

    def mark(self, name: str, ssh: str) -> None:
        """The spec has it from now on."""
        self._save(self._invitations, {**self._hosts, name: replace(self._hosts[name], ssh=ssh)})

    def remove(self, name: str) -> None:
        """Its certificate opens nothing from now on."""
        left = self.left | ({name} if self._hosts[name].ssh else set())
        self._save(self._invitations, {key: host for key, host in self._hosts.items() if key != name}, left)

    def welcome(self, names: Collection[str]) -> None:
        """They may come again."""
        if self.left & set(names):
            self._save(self._invitations, self._hosts, self.left - set(names))

    def _save(
        self, invitations: list[Invitation], hosts: Mapping[str, Host], left: frozenset[str] | None = None
    ) -> None:
        left = self.left if left is None else left
        values: dict[str, Any] = {
            "invitations": [asdict(each) for each in invitations],
            "hosts": {name: asdict(host) for name, host in hosts.items()},
            "left": sorted(left),
        }
        write_private(self._path, json.dumps(values, indent=1) + "\n", durable=True)
        self._invitations, self._hosts, self.left = invitations, dict(hosts), left
