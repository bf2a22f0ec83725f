"""What comes of a project: the spec as it grows, and what became of each service."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daybreak.spec.names import as_name

# Below the spec's folder: passwords that stood in the Compose file.
SECRETS_FOLDER = Path(".daybreak") / "brought"


@dataclass
class Fate:
    """What became of a service: keys of the spec, or nothing and why; and what is not as it was."""

    service: str
    became: str = ""
    reason: str = ""
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return {"name": self.service, "became": self.became or None, "reason": self.reason or None, "notes": self.notes}


@dataclass
class Draft:
    """`comments` stand above keys of the spec, by their path. `secrets` are files to write, by name, and `files` such
    that everybody may read, beside the spec; `notes` are about the whole project."""

    backend: str
    spec: dict[str, Any] = field(default_factory=dict)
    comments: dict[tuple[str, ...], list[str]] = field(default_factory=dict)
    fates: dict[str, Fate] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def in_containers(self) -> bool:
        return self.backend == "docker"

    def fate(self, service: str) -> Fate:
        return self.fates.setdefault(service, Fate(service))

    def became(self, service: str, what: str) -> Fate:
        fate = self.fate(service)
        fate.became = ", ".join(filter(None, (fate.became, what)))
        return fate

    def left_out(self, service: str, reason: str) -> None:
        self.fate(service).reason = reason

    def comment(self, *path: str, text: str) -> None:
        self.comments.setdefault(path, []).append(text)

    def section(self, name: str) -> dict[str, Any]:
        """A section of the spec, made where it is missing."""
        made: dict[str, Any] = self.spec.setdefault(name, {})
        return made

    def secret_file(self, name: str, value: str) -> str:
        """Have a secret written into a file of its own; returns the file's path for the spec."""
        file = as_name(name)
        while self.secrets.get(file, value) != value:
            file += "-2"
        self.secrets[file] = value
        return str(SECRETS_FOLDER / file)


def without_nothing(values: dict[str, Any]) -> dict[str, Any]:
    """A mapping without what is not said."""
    return {key: value for key, value in values.items() if value not in (None, "", (), [], {})}
