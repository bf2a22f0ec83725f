"""The cluster that is struck: what it tells of itself, and which processes it has."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from daybreak.backends.process import members, procfs
from daybreak.errors import NotRunning
from daybreak.keeper.control import client
from daybreak.paths import ClusterPaths
from daybreak.services.ray.warm import WARM

# What stands in front of a process that was forked from the warm template has its whole command line.
LAUNCHERS = ("/warm/stand.sh", "/warm/bin/python", "/warm/launcher.py")


@dataclass(frozen=True)
class Found:
    """One live process. `title` is its command line, or what it calls itself; the kernel cuts `comm` to 15 bytes."""

    service: str
    pid: int
    parent: int
    started_ticks: int
    comm: str
    title: str

    @property
    def launches(self) -> bool:
        """Is it the launcher in front of a fork? A raylet has its path on its command line, too, further behind."""
        return any(word.endswith(LAUNCHERS) for word in self.title.split(" ", 3)[:3])


@dataclass(frozen=True)
class Look:
    """A cluster at one moment."""

    status: Mapping[str, Any]
    processes: Sequence[Found]

    def of(self, service: str, comm: str = "") -> list[Found]:
        """The processes of the services whose name begins so, but launchers; with that `comm` where one is given."""
        return [
            one
            for one in self.processes
            if one.service.startswith(service) and comm in ("", one.comm) and not one.launches
        ]

    def titled(self, *words: str, service: str = "") -> list[Found]:
        """Those with one of the words in their title."""
        return [one for one in self.of(service) if any(word in one.title for word in words)]


@dataclass(frozen=True)
class Target:
    """One running daybreak cluster that answers at `host`:`port`. `command` returns what `daybreak status --json`
    prints: as every command does, it starts a keeper where there is none."""

    paths: ClusterPaths
    host: str
    port: int
    command: Callable[[], dict[str, Any]]

    def status(self) -> dict[str, Any]:
        """From the keeper itself where there is one: the command is the same question, and costs a process. Raises
        DaybreakError where nobody answers."""
        try:
            with client.request(self.paths, "status", start=False) as connection:
                found: dict[str, Any] = connection.result()
                return found
        except NotRunning:
            return self.command()

    def processes(self) -> list[Found]:
        """Every live process of the cluster but its keeper."""
        scan, forks = members.Scan(), members.forks(self.paths.forks)
        found: dict[int, Found] = {}
        records = [json.loads(file.read_text()) for file in self.paths.records.glob("*.json")]
        # Forks of the template are among its own, and what they start; whose they are is said by those that come later.
        for raw in sorted(records, key=lambda raw: raw["service"] != WARM):
            own = [pid for pid, fork in forks.items() if fork.instance == raw["instance"]]
            stop = raw["stop"]
            working = (stop["working_name"], stop["working_folder"])
            for one in scan.members(raw["instance"], raw["pid"], raw["started_ticks"], working=working, forks=own):
                title = procfs.command_line(one.pid)
                found[one.pid] = Found(raw["service"], one.pid, one.parent, one.started_ticks, one.comm, title)
        return list(found.values())

    def look(self) -> Look:
        return Look(self.status(), self.processes())

    def secret(self, name: str) -> str:
        return (self.paths.secrets / name).read_text().strip()
