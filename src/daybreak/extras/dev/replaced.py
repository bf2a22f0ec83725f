"""Which deployments a reload has replaced: those that have other versions in the book of what is deployed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

BOOK = "serve-deployed.json"
# What Serve calls an application that has no name.
DEFAULT = "default"

# Each deployment's version, by its name: with its application in front where that has a name of its own.
Versions = Mapping[str, str]


def versions(books: Iterable[Path]) -> Versions:
    """As the newest of these books has them; nothing where nobody can tell."""
    try:
        newest = max((book for book in books if book.exists()), key=lambda book: book.stat().st_mtime_ns)
        found = json.loads(newest.read_text())["versions"]
        return {
            name if app == DEFAULT else f"{app}/{name}": str(version)
            for app, deployments in found.items()
            for name, version in deployments.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def replaced(before: Versions, after: Versions) -> list[str] | None:
    """The names of those that differ, or are new; None where nobody can tell."""
    if not before or not after:
        return None
    return [name for name, version in after.items() if before.get(name) != version]
