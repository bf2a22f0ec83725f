"""Which way a restart goes, and why. Pure: facts in, a choice out.

*redeploy* replaces the applications alone, new replicas first; *replace* starts a whole app tier beside the one that
serves; *in-place* stops the app tier and starts it again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from daybreak.errors import UsageError
from daybreak.names import HEAD

MIB = 2**20
# Reasons in one line, in characters; `--json` has all of them.
LONGEST = 160
STARTED_ELSEWHERE = "Serve was started by another daybreak: its replicas find no code but the folder's"


class Way(StrEnum):
    """How a restart replaces what runs."""

    REDEPLOY = "redeploy"
    REPLACE = "replace"
    IN_PLACE = "in-place"


# What the user is told beside the word.
MEANS = {
    Way.REDEPLOY: "only the applications and your services are replaced, new replicas first",
    Way.REPLACE: "the app tier starts anew beside the one that serves, which ends afterwards",
    Way.IN_PLACE: "the whole app tier stops, then starts again",
}


@dataclass(frozen=True)
class Facts:
    """What decides whether the applications alone can be replaced.

    `replaced` says of each Ray node that would not stay as it is why. `environment` names the variables that differ
    from those that the nodes run with. `ray` is its version. `baked`: the code is in the image of containers that would
    stay. `proxy_options`: Serve would have to listen otherwise. `makes_way` names running applications whose route
    another one takes. `follows`: replicas that start are led to the code that is to be deployed.
    """

    serves: bool = True
    head_is_well: bool = True
    replaced: Mapping[str, str] = field(default_factory=dict)
    environment: Sequence[str] = ()
    surges: bool = True
    ray: str = ""
    baked: bool = False
    proxy_options: bool = False
    makes_way: Sequence[str] = ()
    follows: bool = True


@dataclass(frozen=True)
class Room:
    """How many replicas more the nodes have room for: `surge` is in per cent of each deployment's replicas, 0 where not
    even one more of each fits, and `why` not. `memory_bytes` is what they will take, None where nobody can tell."""

    surge: int = 0
    why: str = ""
    memory_bytes: int | None = None


@dataclass(frozen=True)
class SecondGeneration:
    """Whether a second generation can run beside the first one: `against` says why not, empty where it can.

    It will take about `memory_bytes`, None where nobody can tell.
    """

    against: Sequence[str] = ()
    memory_bytes: int | None = None


@dataclass(frozen=True)
class Choice:
    """The way, and why this one. `usual_s` is what such a restart has taken here, the median of `runs`. `only` names
    the one application that is meant, empty for all of them; `changed_only`: their deployments of which nothing differs
    keep their replicas."""

    way: Way
    why: str = ""
    surge: int = 0
    memory_bytes: int | None = None
    usual_s: float | None = None
    runs: int = 0
    only: str = ""
    changed_only: bool = False

    @property
    def told(self) -> str:
        """All of it in one line."""
        means = f"the application {self.only} alone is replaced, new replicas first" if self.only else MEANS[self.way]
        words = [f"{self.way}: {means}" + (f" ({_short(self.why)})" if self.why else "")]
        if self.usual_s is not None:
            words.append(f"about {self.usual_s:.1f} s (median of {self.runs})" if self.runs > 1 else _once(self))
        if self.memory_bytes is not None:
            words.append(f"about {max(1, round(self.memory_bytes / MIB)):,} MiB more meanwhile")
        return "; ".join(words)

    def to_json(self) -> dict[str, Any]:
        return {
            "name": str(self.way),
            "why": self.why,
            "usual_s": self.usual_s,
            "runs": self.runs,
            "memory_bytes": self.memory_bytes,
        }


def _short(why: str) -> str:
    """What fits into a line that people read: the reasons that come first."""
    parts = why.split("; ")
    kept: list[str] = []
    for part in parts:
        if kept and len("; ".join([*kept, part])) > LONGEST:
            break
        kept.append(part)
    rest = len(parts) - len(kept)
    told = "; ".join(kept)
    told += ")" * (told.count("(") - told.count(")")) if rest else ""
    return told + (f"; {rest} more: `daybreak plan --restart --json`" if rest else "")


def _once(choice: Choice) -> str:
    return f"{choice.usual_s:.1f} s the last time"


def hindrances(facts: Facts) -> list[str]:
    """Why the applications alone cannot be replaced; empty where they can."""
    return [text for wrong, text in _judged(facts) if wrong]


def _judged(facts: Facts) -> list[tuple[bool, str]]:
    nodes = [f"{name}: {why}" for name, why in facts.replaced.items()]
    head_stays = HEAD not in facts.replaced
    return [
        (not facts.serves, "there are no Serve applications"),
        (bool(nodes), f"Ray's nodes do not stay as they are ({'; '.join(nodes)})"),
        (head_stays and not facts.head_is_well, "the head is not well"),
        (not facts.surges, f"Serve of Ray {facts.ray} cannot start new replicas before it stops old ones"),
        (facts.baked, "the code is in the containers' image, and those that stay keep theirs"),
        (facts.proxy_options, "Serve's HTTP or gRPC options differ, and it takes them only when it starts"),
        (not facts.follows, STARTED_ELSEWHERE),
        (bool(facts.makes_way), f"another application takes the route of {', '.join(facts.makes_way)}"),
    ]


def reservations(facts: Facts) -> list[str]:
    """Why it had better not be done unless somebody asks for it."""
    if not facts.environment:
        return []
    return [f"the environment differs, and the nodes keep theirs: {', '.join(facts.environment)}"]


def choose(asked: Way | None, facts: Facts, room: Room, second: SecondGeneration, because: str = "") -> Choice:
    """The way. `room` counts where nothing else is in the way; `because` is why anything is done at all.

    Raises UsageError where the way that is asked for cannot be gone.
    """
    if asked is Way.IN_PLACE:
        return Choice(Way.IN_PLACE, "asked for")
    against = against_redeploying(facts, room)
    refusal = {Way.REDEPLOY: against, Way.REPLACE: second.against}.get(asked, ()) if asked else ()
    if refusal:
        hint = "`daybreak restart` without an option goes a way that it can"
        raise UsageError(f"cannot {asked}, nothing was changed: {'; '.join(refusal)}", hint=hint)
    if asked is Way.REPLACE:
        return Choice(Way.REPLACE, "asked for", memory_bytes=second.memory_bytes)
    against = against or ([] if asked else reservations(facts))
    begins = [because] if because else []
    if against and not second.against:
        return Choice(Way.REPLACE, "; ".join(begins + against), memory_bytes=second.memory_bytes)
    if against:
        two = f"no second app tier beside it: {'; '.join(second.against)}"
        return Choice(Way.IN_PLACE, "; ".join([*begins, *against, two]))
    why = "asked for" if asked else "; ".join([*begins, "Ray, its nodes and their environment stay the same"])
    return Choice(Way.REDEPLOY, why, room.surge, room.memory_bytes)


def against_redeploying(facts: Facts, room: Room) -> list[str]:
    """Why it cannot be done, room included."""
    return hindrances(facts) or ([room.why] if not room.surge else [])


def gently(facts: Facts, room: Room) -> Choice | None:
    """How applications are replaced of which something differs, on nodes that stay; None where new replicas cannot
    start before the old ones end."""
    if hindrances(facts) or not room.surge:
        return None
    return Choice(Way.REDEPLOY, "something of them differs", room.surge, room.memory_bytes)
