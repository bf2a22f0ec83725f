"""Logs of the cluster's other machines, each read by a thread of its own and told with this machine's time."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from daybreak.errors import DaybreakError
from daybreak.files import read_book
from daybreak.keeper.control import client
from daybreak.keeper.control.error_json import error_from_json
from daybreak.names import SERVE, WORKERS
from daybreak.paths import ClusterPaths
from daybreak.show.logs.entry import Entry
from daybreak.show.logs.selection import Selection
from daybreak.states import HOSTS_HEARD_OF

STATUS_S = 5.0
# One that says nothing for so long is not waited for; it does every few seconds.
SILENT_S = 20.0
LOOK_S = 0.2
# Replicas and worker nodes are on every machine.
EVERYWHERE = (SERVE, WORKERS)
# Between attempts to follow one whose connection has ended.
AGAIN_S = 3.0
# As many entries wait to be shown; a host that writes more is read no faster.
MOST_WAITING = 10_000


def has_hosts(paths: ClusterPaths) -> bool:
    """May there be other machines? Without asking anybody."""
    named = read_book(paths.wanted).get("spec", {}).get("hosts")
    return bool(named or read_book(paths.hosts_book).get("hosts"))


def rows(paths: ClusterPaths) -> Sequence[Mapping[str, Any]]:
    """The other machines; none where no keeper runs, or it does not answer soon."""
    try:
        with client.request(paths, "status", start=False) as connection:
            connection.set_timeout(STATUS_S)
            return list(connection.result().get("hosts") or ())
    except (DaybreakError, OSError):
        return ()


def parted(services: Collection[str], hosts: Collection[str]) -> tuple[list[str], dict[str, list[str]]]:
    """Of what was named what is here, and what of which host: `far` is all of it, `far/worker-1` one node there, and
    what is everywhere is meant everywhere; where nothing is named, everything of all."""
    if not services:
        return [], {host: [] for host in hosts}
    here, there, whole = [], dict[str, list[str]](), set()
    for name in services:
        host, slash, service = name.partition("/")
        if host not in hosts:
            here.append(name)
            for each in hosts if name in EVERYWHERE else ():
                there.setdefault(each, []).append(name)
        else:
            there.setdefault(host, []).extend([service] if slash else [])
            whole |= set() if slash else {host}
    return here, {host: [] if host in whole else found for host, found in there.items()}


class HostLogs:
    """One host's. `row` is what `status` tells of it, `services` those there, all where there are none."""

    def __init__(
        self, paths: ClusterPaths, row: Mapping[str, Any], services: list[str], selection: Selection, **wish: bool
    ) -> None:
        self.host, self.trouble = str(row["name"]), ""
        self.ahead_s = float(row.get("clock_ahead_s") or 0.0)
        self.cut_short = 0
        self._paths, self._wish = paths, {"services": services, **wish}
        since = None if selection.since is None else selection.since + self.ahead_s
        self._selection = replace(selection, since=since)
        self._waiting: queue.Queue[Entry | None] = queue.Queue(MOST_WAITING)
        self._heard_s = time.monotonic()
        self._reading = threading.Thread(target=self._read, daemon=True)
        if row["state"] in HOSTS_HEARD_OF:
            self._reading.start()
        else:
            self.trouble = f"is {row['state']}"
            self._waiting.put(None)

    def past(self) -> Iterator[Entry]:
        """What its logs hold, by time; one that says nothing for long is not waited for, and `trouble` says so."""
        while True:
            try:
                entry = self._waiting.get(timeout=LOOK_S)
            except queue.Empty:
                if time.monotonic() - self._heard_s > SILENT_S:
                    self.trouble = f"has said nothing for {SILENT_S:g} s: some of its logs are missing"
                    return
            else:
                if entry is None:
                    return
                yield entry

    def news(self) -> list[Entry]:
        """What has come since the last look."""
        found: list[Entry] = []
        while len(found) < MOST_WAITING:
            try:
                entry = self._waiting.get_nowait()
            except queue.Empty:
                break
            if entry:
                found.append(entry)
        return found

    def _read(self) -> None:
        while True:
            try:
                self._ask()
                return
            except (DaybreakError, OSError, KeyError, TypeError, ValueError) as error:
                self.trouble = getattr(error, "message", str(error))
                self._waiting.put(None)
            if not self._wish["follow"]:
                return
            # What was written meanwhile was missed.
            time.sleep(AGAIN_S)
            self._selection = replace(self._selection, lines=0, since=None)

    def _ask(self) -> None:
        wish = {**self._wish, "selection": self._selection.to_json()}
        with client.request(self._paths, "host_logs", start=False, host=self.host, logs=wish) as connection:
            for message in connection:
                self._heard_s = time.monotonic()
                if "error" in message:
                    raise error_from_json(message["error"])
                said = message.get("said") or {}
                if "entry" in said:
                    self._waiting.put(self._as_here(Entry.from_json(said["entry"])))
                elif "now" in said:
                    self.cut_short = int(said.get("cut_short") or 0)
                    self._waiting.put(None)

    def _as_here(self, entry: Entry) -> Entry:
        """With the host's name, and the time that it was here."""
        source = entry.source
        named = replace(source, service=f"{self.host}/{source.service}", label=f"{self.host}/{source.label}")
        return replace(entry, at=entry.at - self.ahead_s, source=named)
