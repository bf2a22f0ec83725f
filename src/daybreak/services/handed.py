"""Secrets and files of variables as services get them: where each value lies, never the value itself. Pure.

Each value has a file of its own, mode 0600, in a folder that is named by a keyed hash of it: another value is another
path, and so another fingerprint of every service that is handed it. In a container they are copied before it starts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from daybreak.services.service import EnvValue, Secret
from daybreak.spec.model import Node, Spec, UserService
from daybreak.spec.secrets import EnvFile, SecretUse

# In containers: what is handed as a file, as Compose has it, and what becomes a variable.
SECRETS_INSIDE = "/run/secrets"
VALUES_INSIDE = "/run/daybreak/handed"


@dataclass(frozen=True)
class EnvFileValues:
    """One file of variables: the hash of all that it holds, and the names."""

    digest: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Handed:
    """Where values lie: below `folder`, by the hash of each secret and each file of variables. `inside` a container
    they are at other places. Without a folder it is that of an export, which has secrets of its own."""

    folder: str = ""
    secrets: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, EnvFileValues] = field(default_factory=dict)
    inside: bool = False

    def as_file(self, name: str) -> str:
        """The path of a secret for who reads it as a file."""
        return f"{SECRETS_INSIDE}/{name}" if self.inside or not self.folder else self._value(self.secrets[name], name)

    def as_value(self, name: str) -> Secret:
        """A secret for who gets it as a variable."""
        return Secret(self._value(self.secrets[name], name) if self.folder else f"{SECRETS_INSIDE}/{name}")

    def variables(self, files: Iterable[EnvFile]) -> dict[str, Secret]:
        """The variables of files, those of a later one over those of one before."""
        found: dict[str, Secret] = {}
        for each in (self.files[one.path] for one in files if one.path in self.files):
            found |= {name: Secret(self._value(each.digest, name)) for name in each.names}
        return found

    def within(self) -> Handed:
        """The same as the inside of a container sees it."""
        return replace(self, folder=VALUES_INSIDE, inside=True) if self.folder else self

    def outside(self, path: str) -> str | None:
        """The machine's file for a path inside; None for a path of something else."""
        place, _, name = path.rpartition("/")
        if place == SECRETS_INSIDE and name in self.secrets:
            return self._value(self.secrets[name], name)
        return f"{self.folder}{path.removeprefix(VALUES_INSIDE)}" if path.startswith(f"{VALUES_INSIDE}/") else None

    def _value(self, digest: str, name: str) -> str:
        return f"{self.folder}/{digest}/{name}"

    def to_json(self) -> dict[str, Any]:
        """Hashes and names; what `from_json` reads."""
        files = {path: [each.digest, list(each.names)] for path, each in self.files.items()}
        return {"secrets": dict(self.secrets), "files": files}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Handed:
        """Raises TypeError, KeyError or ValueError for what is none."""
        files = {path: EnvFileValues(digest, tuple(names)) for path, (digest, names) in values["files"].items()}
        return cls(secrets=dict(values["secrets"]), files=files)


def as_variables(handed: Handed, uses: Iterable[SecretUse]) -> dict[str, EnvValue]:
    """What a service's environment has of its secrets."""
    return {use.variable: handed.as_value(use.name) if use.env else handed.as_file(use.name) for use in uses}


def node_variables(spec: Spec, node: Node, handed: Handed) -> dict[str, EnvValue]:
    """A node's own variables, with those of its files below them, and its secrets, with those of the applications."""
    uses = (*node.secrets, *spec.serve.secrets)
    return {**handed.variables((*spec.env_file, *node.env_file)), **node.env, **as_variables(handed, uses)}


def service_variables(spec: Spec, wanted: UserService, handed: Handed) -> dict[str, EnvValue]:
    """The same of one of the user's own services."""
    files = handed.variables((*spec.env_file, *wanted.env_file))
    return {**files, **wanted.env, **as_variables(handed, wanted.secrets)}
