"""What a cluster has to bear for a while: crowds, floods, shortages."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from random import Random

from bench.faults.blow import USUAL, Kind, Struck
from bench.faults.bounds import Bounds
from bench.faults.target import Target


def nothing_against_it(_: Target) -> str:
    return ""


@dataclass(frozen=True)
class Distress:
    """It is there for as long as the `with` block of `during` lasts, which is `lasts_s`."""

    name: str
    title: str
    during: Callable[[Target], AbstractContextManager[object]]
    lasts_s: float = 20.0
    against: Callable[[Target], str] = nothing_against_it
    kind: Kind = USUAL
    failures: bool = False
    driver: str = ""

    def why_not(self, target: Target) -> str:
        return self.against(target)

    def aim(self, target: Target, _: Random) -> Callable[[], Struck]:
        return partial(self.bring_about, target)

    def is_past(self, _: Target) -> bool:
        return True

    def bring_about(self, target: Target) -> Struck:
        with Bounds(target) as bounds:
            began_s = time.monotonic()
            with self.during(target):
                time.sleep(self.lasts_s)
            ended_s = time.monotonic()
        return Struck(began_s, ended_s, bounds.exceeded)
