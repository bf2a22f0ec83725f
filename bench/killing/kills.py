"""Which operation is killed, who of its two processes, and when. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Victim(StrEnum):
    """Whom `kill -9` hits."""

    COMMAND = "command"
    KEEPER = "keeper"
    BOTH = "both"

    @property
    def keeper(self) -> bool:
        return self is not Victim.COMMAND

    @property
    def command(self) -> bool:
        return self is not Victim.KEEPER


@dataclass(frozen=True)
class Subject:
    """A command that is killed: `words` are its words, `running` says whether it begins on a running cluster, `ends`
    whether it is to leave nothing running."""

    name: str
    words: tuple[str, ...]
    running: bool = True
    ends: bool = False


SUBJECTS = (
    Subject("up", ("up",), running=False),
    Subject("restart", ("restart", "--in-place")),
    Subject("scale", ("scale", "2")),
    Subject("down", ("down",), ends=True),
    Subject("restart --redeploy", ("restart", "--redeploy")),
    Subject("restart --replace", ("restart", "--replace")),
    Subject("restart worker-1", ("restart", "worker-1")),
)


@dataclass(frozen=True)
class Kill:
    """One round. `share` is when: of the time that the command has taken when nobody killed it, a little more than all
    of it at most."""

    number: int
    subject: Subject
    victim: Victim
    share: float


MOST_SHARE = 1.05


def kills(seed: int, only: tuple[str, ...] = ()) -> Iterator[Kill]:
    """Without end, the same for the same seed: every subject with every victim as often as any other."""
    chance = random.Random(seed)
    subjects = [subject for subject in SUBJECTS if not only or subject.name in only]
    number = 0
    while True:
        pairs = [(subject, victim) for subject in subjects for victim in Victim]
        chance.shuffle(pairs)
        for subject, victim in pairs:
            number += 1
            yield Kill(number, subject, victim, round(chance.uniform(0.0, MOST_SHARE), 3))
