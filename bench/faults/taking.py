"""Rows, one after the other, each kept when it was taken; what is there already is not taken again."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench.commands import Commands, RunFailed
from bench.faults.held import Held
from bench.faults.kept import Kept, Shelf
from bench.faults.killed import AT_ONCE, Killed
from bench.faults.lines import Line
from bench.faults.stand import Stand
from bench.faults.stock import Stock, StockStand
from bench.faults.table import told
from bench.faults.trial import BUSY, USUAL
from bench.group import Group
from bench.machine import cores, machine
from bench.quiet import when_idle


@dataclass(frozen=True)
class Asked:
    """How: requests a second, what chances come from, worker nodes, what is added to ports, rounds of each operation;
    `quiet`: nothing else may use the machine."""

    rate: float
    seed: int
    workers: int
    offset: int
    rounds: int
    quiet: bool = True


class Taking:
    """One run. Afterwards nothing of its clusters is left."""

    def __init__(self, shelf: Shelf, asked: Asked, *, again: bool = False, minutes: float = float("inf")) -> None:
        self._shelf = shelf
        self._asked = asked
        self._again = again
        self._until_s = time.monotonic() + 60 * minutes
        self._machine = machine()
        self._load = 0.0
        # A short path: Unix sockets lie below it.
        self._folder = Path(tempfile.mkdtemp(prefix="b", dir="/tmp"))
        self._commands = Commands(self._folder, Group.create())
        patience = USUAL if asked.quiet else BUSY
        self._stand = Stand(self._commands, asked.workers, asked.rate, asked.seed, asked.offset, patience)
        self._stock = StockStand(asked.rate, asked.seed, asked.offset, patience)
        self._failed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self._close()
        finally:
            self._commands.kill_rest()
            if self._commands.group:
                self._commands.group.close()
        if not self._failed:
            shutil.rmtree(self._folder, ignore_errors=True)

    def all(self, lines: Sequence[Line]) -> list[str]:
        """Returns the names of those that could not be taken. Raises NotQuiet."""
        self._look()
        could_not = []
        for line in sorted(lines, key=_cluster):
            if time.monotonic() > self._until_s:
                print("the time is up; the next run goes on here", file=sys.stderr)
                break
            try:
                self._take(line)
            except RunFailed as failed:
                self._failed = True
                could_not.append(line.name)
                print(f"{line.name} could not be taken: {failed}\n(logs: {self._folder})", file=sys.stderr, flush=True)
                self._close()
        return could_not

    def _take(self, line: Line) -> None:
        if isinstance(line, Killed):
            self._rounds(line)
        elif self._again or self._shelf.is_due(line.name, quiet=self._asked.quiet):
            if isinstance(line, Held):
                self._keep(line, line.take)
            elif isinstance(line, Stock):
                self._beside(line)
            else:
                self._keep(line, lambda: self._stand.row(line).to_json())

    def _beside(self, line: Stock) -> None:
        """What this machine lacks for it is no failure: another one may have it."""
        if reason := line.keeping.absent():
            print(f"{line.name}: {reason}", file=sys.stderr, flush=True)
            return
        if not self._stock.has(line):
            self._close()  # two clusters would be in each other's way
        self._keep(line, lambda: self._stock.row(line))

    def _rounds(self, line: Killed) -> None:
        """What is due of them, some at a time."""
        kept = None if self._again else self._shelf.get(line.name)
        rounds: list[dict[str, Any]] = kept.row["rounds"] if kept else []
        while (due := min(AT_ONCE, self._asked.rounds - len(rounds))) > 0 and time.monotonic() < self._until_s:
            self._close()  # two clusters would be in each other's way
            rounds = [*rounds, *line.rounds(self._asked.seed, len(rounds) + 1, due, self._asked.offset)]
            self._keep(line, lambda: {"rounds": rounds})  # noqa: B023 (called at once)

    def _keep(self, line: Line, take: Callable[[], dict[str, Any]]) -> None:
        if not self._asked.quiet:
            self._load = round(os.getloadavg()[0], 2)
        began_s, began_at = time.monotonic(), datetime.now(UTC).isoformat(timespec="seconds")
        row = take()
        took_s = round(time.monotonic() - began_s, 1)
        kept = Kept(line.name, row, self._machine, began_at, self._asked.quiet, self._load, self._asked.rate, took_s)
        self._shelf.put(kept)
        print(f"{took_s:5.0f} s  {told(line, kept)}", file=sys.stderr, flush=True)

    def _look(self) -> None:
        """How busy the machine is before anything of ours runs."""
        self._load = when_idle(cores())[0] if self._asked.quiet else round(os.getloadavg()[0], 2)

    def _close(self) -> None:
        self._stock.close()
        try:
            self._stand.close()
        except RunFailed as failed:
            print(f"the cluster did not end: {failed}", file=sys.stderr, flush=True)


def _cluster(line: Line) -> tuple[Any, ...]:
    """What needs the same cluster comes one after the other; what needs none of ours, last."""
    if isinstance(line, Killed | Held):
        return (2,)
    return (1, line.keeping.name) if isinstance(line, Stock) else (0, *line.kind.order)
