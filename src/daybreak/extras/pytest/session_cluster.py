"""The cluster that tests run on: its name and ports, what is deployed to it, and what is left of it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from daybreak import api
from daybreak.errors import DaybreakError, UsageError
from daybreak.extras.dev.room import values_with_room
from daybreak.names import SERVE
from daybreak.paths import ClusterPaths
from daybreak.spec import cluster_name, find_spec
from daybreak.states import ClusterState

# Clusters of tests look for ports from here on, so far apart that those of other processes seldom meet.
FIRST_OFFSET, STEP, OFFSETS = 12_000, 10, 3_000
PUBLIC_PORTS = (8000, 8265, 6380)
MOST_LINES = 100
# What watches a cluster, and what is seen of it, no test waits for.
LEFT_OUT = ("page", "prometheus", "grafana")


@dataclass
class SessionCluster:
    """One session's. `file` is the spec, that of `folder` if None; `worker` is pytest-xdist's word for this process,
    empty without it; with `keep` the cluster goes on afterwards."""

    folder: Path
    file: Path | None = None
    workers: int = 0
    worker: str = ""
    keep: bool = False
    # An application has failed before anything ran: it is found out sooner beside a cluster that runs.
    refused: bool = False
    # The spec that all deployments of this session have, but for its applications.
    _read: api.ReadSpec | None = field(default=None, repr=False)
    _cluster: api.Cluster | None = field(default=None, repr=False)
    # What the variables were that lead to the cluster.
    _before: dict[str, str | None] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """The cluster's; that of the spec goes on beside it."""
        source = self.file or find_spec(self.folder)
        return "-".join(filter(None, (cluster_name(self.folder, source), "test", self.worker)))

    @property
    def cluster(self) -> api.Cluster:
        """The cluster, which runs. It is started, or found, where nobody has asked for it. Raises DaybreakError."""
        return self._cluster or self._up(self._spec())

    def begin(self) -> None:
        """Start the cluster, or find it; the environment leads there until `end`. Raises DaybreakError."""
        _ = self.cluster

    def end(self) -> None:
        """Take it down with its data, or leave it to the next session: also one that an earlier session has left, and
        that no application of this one came up on."""
        _set(self._before)
        if self._read is not None and not self.keep:
            api.down(self.name, volumes=True)

    def deploy(self, target: str, args: Mapping[str, Any], route: str) -> str:
        """The URL of the application, which answers: the first one of a session is started with the cluster. Raises
        DaybreakError where it does not come."""
        try:
            cluster = self._up(self._spec({"import": target, "args": dict(args), "route": route}))
        except DaybreakError:
            self.refused = self._cluster is None
            raise
        return cluster.urls[SERVE].rstrip("/") + route.rstrip("/")

    def database_url(self) -> str:
        """Raises UsageError where the cluster has no PostgreSQL."""
        url = self.cluster.env().get("DATABASE_URL")
        if url is None:
            hint = "write `databases: {postgres: {}}` into the spec"
            raise UsageError(f"the cluster {self.name} has no PostgreSQL", hint=hint)
        return url

    def logged_since(self, wall: float) -> list[str]:
        """The last lines of the applications since then (seconds since 1970), without the secrets."""
        # Imported here: only a test that fails asks for them.
        from daybreak.redact import Redaction
        from daybreak.show.logs.history import History
        from daybreak.show.logs.merged import merged
        from daybreak.show.logs.own import is_own
        from daybreak.show.logs.selection import Once, Selection
        from daybreak.show.logs.sources import Sources

        paths = ClusterPaths.of(self.name)
        selection = Selection(since=wall)
        histories = [History(source, selection) for source in Sources(paths, (SERVE,)).find()]
        redact = Redaction(paths.secrets)
        entries = filter(is_own, merged(histories, None, Once()))
        return [redact(line) for entry in entries for line in entry.lines][-MOST_LINES:]

    def _up(self, spec: api.ReadSpec) -> api.Cluster:
        """The cluster with that spec; the environment leads there."""
        with self._as_before():
            cluster = api.up(spec, workers=self.workers)
        if self._cluster is None:
            leads_here = cluster.env()
            self._before = {name: os.environ.get(name) for name in leads_here}
            os.environ.update(leads_here)
        self._cluster = cluster
        return cluster

    def _spec(self, application: Mapping[str, Any] | None = None) -> api.ReadSpec:
        """The spec with that application in place of its own; without one as the session has found the cluster."""
        if self._read is None:
            self._read = self._load()
        spec = self._read.values["spec"]
        if application is not None:
            spec = {**spec, "serve": {**_own(spec["serve"]), "applications": [application]}}
        # What it is without the room that tests need goes with it: options are laid over that.
        return replace(self._read, values={**self._read.values, "spec": values_with_room(spec), "given": spec})

    def _load(self) -> api.ReadSpec:
        """The spec under the tests' name and at free ports. In place of its applications there are none, or those that
        a kept cluster has: the first test may ask for the same."""
        kept = self._kept()
        offset = kept["ports"]["offset"] if kept else _free_offset()
        found = api.read(self.file, name=self.name, folder=self.folder, port_offset=offset)
        values = found.to_json()
        spec = {**values["spec"]}
        spec |= {key: {**spec[key], "enabled": False} for key in LEFT_OUT}
        spec["serve"] = kept["serve"] if kept else _own(spec["serve"])
        return api.ReadSpec({**values, "spec": spec}, missing=found.missing)

    def _kept(self) -> Mapping[str, Any] | None:
        """What the cluster was started with that a session before has left."""
        return None if api.status(self.name).state is ClusterState.STOPPED else api.stored_values(self.name)

    @contextlib.contextmanager
    def _as_before(self) -> Iterator[None]:
        """Nodes keep the environment that they were started with, and would be replaced where it is another one."""
        now = {name: os.environ.get(name) for name in self._before}
        _set(self._before)
        try:
            yield
        finally:
            _set(now)


def _own(serve: Mapping[str, Any]) -> dict[str, Any]:
    """What applications of tests take over of the spec's."""
    return {"start_timeout": serve["start_timeout"]}


def _set(environment: Mapping[str, str | None]) -> None:
    for name, value in environment.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _free_offset() -> int:
    # Imported here: a cluster that was kept has its ports.
    from daybreak.machine.ports import is_free

    first = os.getpid() % OFFSETS
    offsets = (FIRST_OFFSET + (first + count) % OFFSETS * STEP for count in range(OFFSETS))
    return next(offset for offset in offsets if all(is_free(port + offset) for port in PUBLIC_PORTS))
