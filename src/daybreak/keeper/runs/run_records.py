"""Runs in the store: what every start, restart and stop leaves behind."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from daybreak import __version__
from daybreak.machine.machine import machine
from daybreak.run.restart_way import Way
from daybreak.services.site import Site
from daybreak.spec.model import Spec
from daybreak.timeline.event import Event, Kind, Outcome, RunKind, is_first_response
from daybreak.timeline.receipt import Receipt
from daybreak.timeline.store import Store

# A forecast is made of the last restarts of one way, looked for among so many.
MOST_COUNTED, MOST_LOOKED_AT = 10, 100


@dataclass(frozen=True)
class Details:
    """What stands beside every measurement. `warm`: a template had its imports done when the run began; `way` is a
    restart's."""

    workers: int
    warm: bool
    versions: dict[str, str]
    machine: dict[str, Any]
    spec_digest: str
    way: str | None = None

    def to_json(self) -> dict[str, Any]:
        values = asdict(self)
        del values["workers"]
        return values


class Runs:
    """The store, with the few numbers of a run that are known only from its events.

    `tell` hears once each what goes wrong with the file.
    """

    def __init__(self, path: Path, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._store = Store(path)
        self._store.mark_interrupted()
        self._ready_after_s: dict[int, float] = {}
        self._first_response_s: dict[int, float] = {}
        self._told = 0

    def describe(self, spec: Spec, site: Site, *, warm: bool, way: str | None = None) -> Details:
        import hashlib

        versions = {"daybreak": __version__, "ray": site.ray.version, "python": platform.python_version()}
        if site.postgres and spec.databases.postgres:
            versions["postgres"] = site.postgres.version
        if site.redis and spec.databases.redis:
            versions[site.redis.flavour] = site.redis.version
        digest = hashlib.sha256(spec.model_dump_json().encode()).hexdigest()[:12]
        return Details(spec.workers.count, warm, versions, machine().to_json(), digest, way)

    def begin(self, kind: RunKind, details: Details) -> int:
        return self._store.begin_run(
            kind,
            workers=details.workers,
            warm=details.warm,
            versions=details.versions,
            machine=details.machine,
            spec_digest=details.spec_digest,
            way=details.way,
            wall=time.time(),
        )

    def usual(self, way: Way, workers: int) -> tuple[float | None, int]:
        """What a restart of this way with as many workers has taken here: the median of the last ones in seconds, None
        without any, and how many those are."""
        last = self._store.runs(RunKind.RESTART, MOST_LOOKED_AT, outcome=Outcome.OK)
        # Before there were ways every restart was in place.
        took = [run.duration_s for run in last if run.workers == workers and (run.way or Way.IN_PLACE) == way]
        known = [seconds for seconds in took if seconds is not None][:MOST_COUNTED]
        return (median(known), len(known)) if known else (None, 0)

    def add(self, event: Event) -> None:
        """Keep an event; readings that summarise the run are taken on the way."""
        self._store.add(event)
        notes = self._store.notes
        news, self._told = notes[self._told :], len(notes)
        for text in news:
            self._tell(text)
        if event.run is None:
            return
        if event.kind is Kind.READY:
            self._ready_after_s[event.run] = event.at_s
        if is_first_response(event):
            self._first_response_s[event.run] = event.at_s

    def end(
        self, run: int, outcome: Outcome, duration_s: float, error: str | None, receipt: Receipt | None = None
    ) -> None:
        self._store.end_run(
            run,
            outcome,
            duration_s,
            ready_after_s=self._ready_after_s.pop(run, None),
            first_response_s=self._first_response_s.pop(run, None),
            error=error,
            receipt=receipt,
        )

    def close(self) -> None:
        self._store.close()
