"""What must be there before something starts, and which services run to their end because of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator

if TYPE_CHECKING:
    from daybreak.spec.model import Spec

WORDS = ("ready", "done")


def _readable(value: object) -> object:
    """Raises ValueError for what is neither form."""
    if isinstance(value, dict):
        wrong = [f"{name}: {word}" for name, word in value.items() if word not in WORDS]
        if wrong:
            raise ValueError(f"each is NAME: ready or NAME: done, not {', '.join(wrong)}")
    elif not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        raise ValueError("must be a list of names, such as [postgres], or NAME: ready and NAME: done")
    return value


# A list of names that must be ready, or each with what is waited for.
Needs = Annotated[tuple[str, ...] | dict[str, Literal["ready", "done"]], BeforeValidator(_readable)]


def done(needs: Needs) -> frozenset[str]:
    """Those that must have run to their end."""
    return frozenset(name for name in needs if isinstance(needs, dict) and needs[name] == "done")


def steps(spec: Spec) -> frozenset[str]:
    """The user's services that are run to their end: those that say so, and those that somebody needs done."""
    every: Iterable[Needs] = (spec.serve.needs, *(service.needs for service in spec.services.values()))
    needed = {name for needs in every for name in done(needs)}
    return frozenset(name for name, service in spec.services.items() if service.run == "once" or name in needed)
