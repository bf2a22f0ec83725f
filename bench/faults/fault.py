"""One fault: what is struck, and with which signal."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from enum import StrEnum

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

    @property
    def name(self) -> str:
        return f"{self.how}-{self.victim.name}"

    @property
    def title(self) -> str:
        words = "kill -9" if self.how is How.KILL else f"SIGSTOP for {self.stopped_s:g} s"
        return f"{words}: {self.victim.title}"

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


FAULTS = tuple(Fault(victim, how) for how in How for victim in VICTIMS)
