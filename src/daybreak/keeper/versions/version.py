"""One version: what was deployed with success at one time. Values only."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from daybreak.keeper.wanted.environment import differing

MOST_NAMES = 3
Files = Mapping[str, "KeptFile"]


@dataclass(frozen=True)
class KeptFile:
    """A file of the application's folder: the SHA-256 of what is in it, in hex, and its size."""

    digest: str
    size_bytes: int


@dataclass(frozen=True)
class Version:
    """`wall` is when it was deployed (seconds since 1970), `how` by which way or kind of run, `spec` as it travels.

    `files` are by their path, relative to the spec's folder; `environment` is what the nodes were started with.
    """

    number: int
    wall: float
    how: str
    spec: Mapping[str, Any]
    files: Files
    environment: Mapping[str, str] = field(repr=False)

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files.values())

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Version:
        """Raises KeyError, TypeError or ValueError where it is none."""
        files = {str(path): KeptFile(**kept) for path, kept in raw["files"].items()}
        return cls(
            int(raw["number"]),
            float(raw["wall"]),
            str(raw["how"]),
            dict(raw["spec"]),
            files,
            dict(raw["environment"]),
        )

    def same_as(self, other: Version) -> bool:
        """Is there nothing by which one could tell them apart?"""
        return not changes(self, other)


def digest_of(files: Files, spec: Mapping[str, Any]) -> str:
    """Changes with the code, and with the spec but for what commands set beside it."""
    values = {key: value for key, value in spec.items() if key != "backend"}
    workers = _without_count(spec.get("workers", {}))
    if workers.get("groups"):
        workers["groups"] = {name: _without_count(group) for name, group in workers["groups"].items()}
    values["workers"] = workers
    told = [values, sorted((path, kept.digest) for path, kept in files.items())]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def _without_count(group: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in group.items() if key != "count"}


def changes(before: Version, after: Version) -> list[str]:
    """What differs, in words: files, keys of the spec, names of variables."""
    old, new = before.files, after.files
    found = [
        *_named("", [path for path in sorted(old.keys() & new.keys()) if old[path].digest != new[path].digest]),
        *_named("new: ", sorted(new.keys() - old.keys())),
        *_named("gone: ", sorted(old.keys() - new.keys())),
    ]
    keys = sorted(key for key in before.spec.keys() | after.spec.keys() if before.spec.get(key) != after.spec.get(key))
    return [
        *found,
        *_named("spec: ", keys),
        *_named("environment: ", differing(before.environment, after.environment)),
    ]


def _named(what: str, names: list[str]) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return [f"{what}{', '.join(names[:MOST_NAMES])}{more}"]
