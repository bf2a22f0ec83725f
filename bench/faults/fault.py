"""One fault: what is struck, and with which signal."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from bench.faults.blow import USUAL, Kind, Struck
from bench.faults.target import Target
from bench.faults.victims import VICTIMS, Group, Victim
from daybreak.backends.process import procfs

# Requests in a second meanwhile.
RATE = 100.0
STOPPED_S = 20.0


class How(StrEnum):
    """`kill -9`, or SIGSTOP and after a while SIGCONT."""

    KILL = "kill"
    STOP = "stop"


@dataclass(frozen=True)
class Fault:
    victim: Victim
    how: How
    stopped_s: float = STOPPED_S
    kind: Kind = USUAL

    @property
    def name(self) -> str:
        return f"{self.how}-{self.victim.name}" + ("" if self.kind.state == "none" else f"-{self.kind.state}")

    @property
    def title(self) -> str:
        words = "kill -9" if self.how is How.KILL else f"SIGSTOP for {self.stopped_s:g} s"
        told = f" ({self.kind.words})" if self.kind.words else ""
        return f"{words}: {self.victim.title}{told}"

    @property
    def failures(self) -> bool:
        return self.victim.door and self.how is How.KILL

    @property
    def driver(self) -> str:
        return self.victim.driver

    def why_not(self, _: Target) -> str:
        return ""

    def aim(self, target: Target, chance: Random) -> Callable[[], Struck] | None:
        """At one of those that it could be."""
        groups = self.victim.find(target.look())
        if not groups:
            return None
        group = chance.choice(sorted(groups))
        return lambda: Struck(*self.strike(group))

    def is_past(self, target: Target) -> bool:
        return not self.victim.returns or bool(self.victim.find(target.look()))

    def strike(self, group: Group) -> tuple[float, float]:
        """Returns when it began, and when it was over (monotonic seconds). What was stopped goes on in any case."""
        processes = [one for pid in group if (one := procfs.read(pid))]
        began_s = time.monotonic()
        _send(processes, signal.SIGKILL if self.how is How.KILL else signal.SIGSTOP)
        if self.how is How.STOP:
            try:
                time.sleep(self.stopped_s)
            finally:
                _send(processes, signal.SIGCONT)
        return began_s, time.monotonic()


def _send(processes: list[procfs.Process], word: signal.Signals) -> None:
    """To those very processes, as far as they are still there."""
    for one in processes:
        if procfs.alive(one.pid, one.started_ticks):
            try:
                os.kill(one.pid, word)
            except ProcessLookupError:
                continue


# What the head knows outlives it.
KEPT = ("gcs", "head")
FAULTS = (
    *(Fault(victim, how, kind=Kind(haproxy=victim.haproxy)) for how in How for victim in VICTIMS),
    *(Fault(victim, How.KILL, kind=Kind(state="rocksdb")) for victim in VICTIMS if victim.name in KEPT),
)
