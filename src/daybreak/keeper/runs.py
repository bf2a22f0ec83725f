"""Runs in the store: what every start, restart and stop leaves behind."""

from __future__ import annotations

import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from daybreak import __version__
from daybreak.services.site import Site
from daybreak.spec.model import Spec
from daybreak.survey.machine import machine
from daybreak.timeline.event import Event, Kind, Outcome, RunKind
from daybreak.timeline.store import Store


@dataclass(frozen=True)
class Details:
    """What stands beside every measurement. `warm`: a template had its imports done when the run began."""

    workers: int
    warm: bool
    versions: dict[str, str]
    machine: dict[str, Any]
    spec_digest: str

    def to_json(self) -> dict[str, Any]:
        values = asdict(self)
        del values["workers"]
        return values


class Runs:
    """The store, with the few numbers of a run that are known only from its events."""

    def __init__(self, path: Path) -> None:
        self._store = Store(path)
        self._store.mark_interrupted()
        self._ready_after_s: dict[int, float] = {}
        self._first_response_s: dict[int, float] = {}

    def describe(self, spec: Spec, site: Site, *, warm: bool) -> Details:
        import hashlib

        versions = {"daybreak": __version__, "ray": site.ray.version, "python": platform.python_version()}
        if site.postgres and spec.databases.postgres:
            versions["postgres"] = site.postgres.version
        if site.redis and spec.databases.redis:
            versions[site.redis.flavour] = site.redis.version
        digest = hashlib.sha256(spec.model_dump_json().encode()).hexdigest()[:12]
        return Details(spec.workers.count, warm, versions, machine().to_json(), digest)

    def begin(self, kind: RunKind, details: Details) -> int:
        return self._store.begin_run(
            kind,
            workers=details.workers,
            warm=details.warm,
            versions=details.versions,
            machine=details.machine,
            spec_digest=details.spec_digest,
            wall=time.time(),
        )

    def add(self, event: Event) -> None:
        """Keep an event; readings that summarise the run are taken on the way."""
        self._store.add(event)
        if event.run is None:
            return
        if event.kind is Kind.READY:
            self._ready_after_s[event.run] = event.at_s
        if event.service == "serve" and event.kind is Kind.READY:
            self._first_response_s[event.run] = event.at_s

    def end(self, run: int, outcome: Outcome, duration_s: float, error: str | None) -> None:
        self._store.end_run(
            run,
            outcome,
            duration_s,
            ready_after_s=self._ready_after_s.pop(run, None),
            first_response_s=self._first_response_s.pop(run, None),
            error=error,
        )

    def close(self) -> None:
        self._store.close()
