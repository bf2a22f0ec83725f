"""Passwords that stand in a Compose file: what they are, so that no other value of the spec repeats them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from daybreak.extras.init_from.compose import ComposeService, Project
from daybreak.spec.interpolation import looks_secret

# `user:password@` of an address.
CREDENTIALS = re.compile(r"://[^/@\s:]*:(?P<password>[^/@\s]+)@")
OPTIONS = ("--requirepass", "--password", "--pass")
# Shorter ones stand in words that are no secrets.
SHORTEST = 6


def is_secret(key: str, value: str) -> bool:
    """Is a variable's value for nobody's eyes?"""
    return bool(value) and (looks_secret(key) or CREDENTIALS.search(value) is not None)


def passwords_of(project: Project) -> tuple[str, ...]:
    """All that stand in the file, longest first."""
    found = {word for service in project.services.values() for word in _of(service, project)}
    return tuple(sorted((word for word in found if len(word) >= SHORTEST), key=len, reverse=True))


def _of(service: ComposeService, project: Project) -> Iterator[str]:
    for key, text in service.environment.items():
        value = project.words.value(text)
        if looks_secret(key):
            yield value
        yield from (found["password"] for found in CREDENTIALS.finditer(value))
    words = [project.words.value(word) for word in service.words]
    for at, word in enumerate(words):
        yield from (found["password"] for found in CREDENTIALS.finditer(word))
        name, _, value = word.partition("=")
        if name in OPTIONS:
            yield value or (words[at + 1] if len(words) > at + 1 else "")
