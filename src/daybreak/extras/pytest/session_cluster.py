"""The cluster that tests run on: its name and ports, what is deployed to it, and what is left of it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from daybreak import api
from daybreak.errors import UsageError
from daybreak.extras.dev.room import with_room
from daybreak.machine.ports import is_free
from daybreak.names import SERVE
from daybreak.paths import ClusterPaths
from daybreak.redact import Redaction
from daybreak.show.logs.history import History
from daybreak.show.logs.merged import merged
from daybreak.show.logs.own import is_own
from daybreak.show.logs.selection import Once, Selection
from daybreak.show.logs.sources import Sources
from daybreak.spec import LoadedSpec, cluster_name, find_spec
from daybreak.spec.model import Application, Serve, Spec
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
    cluster: api.Cluster = field(init=False)
    _loaded: LoadedSpec = field(init=False, repr=False)
    # What the variables were that lead to the cluster.
    _before: dict[str, str | None] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """The cluster's; that of the spec goes on beside it."""
        source = self.file or find_spec(self.folder)
        return "-".join(filter(None, (cluster_name(self.folder, source), "test", self.worker)))

    def begin(self) -> None:
        """Start the cluster, or find it; the environment leads there until `end`. Raises DaybreakError."""
        self._loaded = self._load()
        self.cluster = api.up(with_room(self._loaded), workers=self.workers)
        leads_here = self.cluster.env()
        self._before = {name: os.environ.get(name) for name in leads_here}
        os.environ.update(leads_here)

    def end(self) -> None:
        """Take it down with its data, or leave it to the next session."""
        _set(self._before)
        if not self.keep:
            api.down(self.name, volumes=True)

    def deploy(self, target: str, args: Mapping[str, Any], route: str) -> str:
        """The URL of the application, which answers. Raises DaybreakError where it does not come."""
        # By its keys, as in the spec: `import` is no name in Python.
        application = Application.model_validate({"import": target, "args": dict(args), "route": route})
        serve = Serve(applications=(application,), start_timeout=self._loaded.spec.serve.start_timeout)
        spec = self._loaded.spec.model_copy(update={"serve": serve})
        with self._as_before():
            self.cluster = api.up(with_room(replace(self._loaded, spec=spec)), workers=self.workers)
        return self.cluster.urls[SERVE].rstrip("/") + route.rstrip("/")

    def database_url(self) -> str:
        """Raises UsageError where the cluster has no PostgreSQL."""
        url = self.cluster.env().get("DATABASE_URL")
        if url is None:
            hint = "write `databases: {postgres: {}}` into the spec"
            raise UsageError(f"the cluster {self.name} has no PostgreSQL", hint=hint)
        return url

    def logged_since(self, wall: float) -> list[str]:
        """The last lines of the applications since then (seconds since 1970), without the secrets."""
        paths = ClusterPaths.of(self.name)
        selection = Selection(since=wall)
        histories = [History(source, selection) for source in Sources(paths, (SERVE,)).find()]
        redact = Redaction(paths.secrets)
        entries = filter(is_own, merged(histories, None, Once()))
        return [redact(line) for entry in entries for line in entry.lines][-MOST_LINES:]

    def _load(self) -> LoadedSpec:
        """The spec under the tests' name and at free ports. In place of its applications there are none, or those that
        a kept cluster has: the first test may ask for the same."""
        kept = self._kept()
        offset = kept.ports.offset if kept else _free_offset()
        loaded = api.load(self.file, name=self.name, folder=self.folder, port_offset=offset)
        off = {key: getattr(loaded.spec, key).model_copy(update={"enabled": False}) for key in LEFT_OUT}
        serve = kept.serve if kept else Serve(start_timeout=loaded.spec.serve.start_timeout)
        return replace(loaded, spec=loaded.spec.model_copy(update={**off, "serve": serve}))

    def _kept(self) -> Spec | None:
        """What the cluster was started with that a session before has left."""
        if api.status(self.name).state is ClusterState.STOPPED:
            return None
        return api.load(name=self.name, as_stored=True).spec

    @contextlib.contextmanager
    def _as_before(self) -> Iterator[None]:
        """Nodes keep the environment that they were started with, and would be replaced where it is another one."""
        now = {name: os.environ.get(name) for name in self._before}
        _set(self._before)
        try:
            yield
        finally:
            _set(now)


def _set(environment: Mapping[str, str | None]) -> None:
    for name, value in environment.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _free_offset() -> int:
    first = os.getpid() % OFFSETS
    offsets = (FIRST_OFFSET + (first + count) % OFFSETS * STEP for count in range(OFFSETS))
    return next(offset for offset in offsets if all(is_free(port + offset) for port in PUBLIC_PORTS))
