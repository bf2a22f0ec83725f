"""Which lines of the applications `dev` shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from daybreak.cli.dev.beside import _is_told, _short
from daybreak.show.logs.entry import Entry, Source

TRACEBACK = ["Traceback (most recent call last):", '  File "app.py", line 3', "RuntimeError: no luck", ""]
ATTEMPT = (
    "ERROR 2026-11-30 07:27:14 controller 31591 -- Exception in Replica(id='a38pi0f2'), the replica will be stopped."
)
PORT = "WARNING default_App 447b -- Failed to start RequestProtocol.HTTP server on port 31200: Retrying"


def entry(label: str, *lines: str) -> Entry:
    return Entry(0.0, None, Source("serve", label, Path("x.log")), list(lines))


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (entry("serve", *TRACEBACK), True),
        (entry("serve", "hello from dev"), False),
        (entry("serve/default_App", *TRACEBACK), False),
        (entry("serve/default_App", PORT), True),
    ],
)
def test_what_is_told_elsewhere_is_not_shown_twice(found: Entry, told: bool) -> None:
    assert _is_told(found) is told


def test_the_controllers_tracebacks_are_short_and_those_of_replicas_are_whole() -> None:
    assert _short(entry("serve/controller", ATTEMPT, *TRACEBACK)) == [ATTEMPT, "RuntimeError: no luck"]
    assert _short(entry("serve/controller", "one", "two")) == ["one", "two"]
    assert _short(entry("serve/default_App", ATTEMPT, *TRACEBACK)) == [ATTEMPT, *TRACEBACK]
