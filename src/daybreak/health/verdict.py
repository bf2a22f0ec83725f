"""What one attempt of a check says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from daybreak.states import Stage

# How the reason begins of a check that was cut off: each is made anew, with as long as the one before.
SILENT = "no answer"


@dataclass(frozen=True)
class Ready:
    """The check is satisfied."""


@dataclass(frozen=True)
class NotYet:
    """Not satisfied now; `reason` is short and for people. `stage` is how far a deployment is."""

    reason: str
    stage: Stage | None = None


@dataclass(frozen=True)
class Short(NotYet):
    """It could not be asked, since the keeper itself lacks something: that says nothing about the service."""

    lacking: str = ""


@dataclass(frozen=True)
class Failed:
    """It will never be satisfied; `lines` say more, `whole` all that is known."""

    reason: str
    lines: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()


Verdict = Ready | NotYet | Failed
Attempt = Callable[[], Awaitable[Verdict]]
