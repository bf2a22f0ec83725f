"""Which keys of the spec differ from those that a service runs with: names only, for values may be secrets. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from daybreak.names import HEAD
from daybreak.services.service import Service
from daybreak.spec.model import Spec

# So many are named; of more it is told how many.
MOST = 3
# Sections whose parts are services of their own, and sections that are one.
OF_MANY, OF_ONE = ("services", "databases"), (HEAD, "serve", "prometheus", "grafana", "gateway")
WORKERS, GROUPS = "workers", "groups"
# Of other machines: nothing that runs here differs by it.
ELSEWHERE = "hosts"

Path = tuple[str, ...]


def changed_keys(before: Spec | None, after: Spec, services: Iterable[Service]) -> dict[str, str]:
    """By service, the keys that may be why it differs, in words; nothing where no key does."""
    if before is None:
        return {}
    paths = list(
        _differing(before.model_dump(mode="json", by_alias=True), after.model_dump(mode="json", by_alias=True))
    )
    found = {service.name: _of(service, paths) or paths for service in services}
    return {name: _words(own) for name, own in found.items() if own}


def _of(service: Service, paths: Iterable[Path]) -> list[Path]:
    """Its own section's first, then those that are nobody's in particular."""
    own, everybodys = [], []
    for path in paths:
        if _is_of(service, path):
            own.append(path)
        elif path[0] not in (*OF_MANY, *OF_ONE, WORKERS, ELSEWHERE):
            everybodys.append(path)
    return own + everybodys


def _is_of(service: Service, path: Path) -> bool:
    section, *rest = path
    if section == WORKERS:
        return service.group == rest[1] if rest[0] == GROUPS and len(rest) > 1 else bool(service.group)
    return service.name == (rest[0] if section in OF_MANY and rest else section)


def _differing(before: Any, after: Any, path: Path = ()) -> Iterator[Path]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in {**before, **after}:
            yield from _differing(before.get(key), after.get(key), (*path, str(key)))
    elif before != after:
        yield path


def _words(paths: list[Path]) -> str:
    named = [".".join(path) for path in paths]
    rest = len(named) - MOST
    return ", ".join(named[:MOST]) + (f" and {rest} more" if rest > 0 else "")
