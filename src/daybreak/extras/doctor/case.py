"""What the diagnoses look at: one cluster, its spec, its keeper's answer, and the environment of this command."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from daybreak.backends.base import Handle
from daybreak.backends.process import procfs
from daybreak.errors import DaybreakError, Problem
from daybreak.machine.listeners import Listener, belongs_to
from daybreak.names import HEAD
from daybreak.paths import ClusterPaths
from daybreak.services.site import RayInstall, Site
from daybreak.spec.model import Spec
from daybreak.states import ServiceState
from daybreak.timeline.status import ServiceStatus, Snapshot

NOTHING_RUNS = (ServiceState.STOPPED, ServiceState.FAILED)
# An engine answers at once or not at all.
ENGINE_S = 1.5


@dataclass(frozen=True)
class Case:
    """One cluster on this machine, running or not.

    `spec` is what runs, else what the next `up` would start; `given` says that it comes from a file or an earlier `up`
    and not from defaults alone. `file` is the spec's file, `of_file` what it says now, `problems` what is wrong in it.
    `snapshot` is the keeper's answer, None where there is no keeper; `silent` says why one that is there gave none.
    `option` is what names the cluster on a command line (`-n visits`), empty where the current folder does.
    """

    paths: ClusterPaths
    spec: Spec
    base: Path
    given: bool = True
    file: Path | None = None
    of_file: Spec | None = None
    problems: tuple[Problem, ...] = ()
    snapshot: Snapshot | None = None
    silent: str | None = None
    option: str = ""
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)

    @property
    def name(self) -> str:
        return self.paths.name

    def command(self, words: str) -> str:
        """A command line of daybreak's for this cluster."""
        return f"daybreak {words} {self.option}".rstrip()

    @cached_property
    def ray(self) -> RayInstall:
        """The Ray that the spec means, with containers that of its image; raises what finding it raises."""
        if self.spec.in_containers:
            from daybreak.docker.connect import connect
            from daybreak.machine.engine import ray_image
            from daybreak.machine.images import Images

            return Images(connect(ENGINE_S), self.paths.root.parent).ray(ray_image(self.spec), self.spec.ray)
        from daybreak.machine.ray import find_ray

        return find_ray(self.spec.ray, self.base)

    @cached_property
    def serving(self) -> Site:
        """What Serve's doors depend on; raises what finding Ray, or reading the Serve config, raises."""
        from daybreak.machine.survey import serving_site

        return serving_site(self.spec, self.base, self.paths, self.ray)

    @cached_property
    def containers(self) -> tuple[Mapping[str, Any], ...]:
        """The engine's rows of the cluster's containers; none where no engine answers, or none was ever needed."""
        if not (self.spec.in_containers or self.paths.containers.exists()):
            return ()
        from daybreak.docker import labels
        from daybreak.docker.connect import connect

        try:
            return tuple(connect(ENGINE_S).containers.list([f"{labels.ROOT}={self.paths.root}"]))
        except DaybreakError:
            return ()

    @cached_property
    def published(self) -> frozenset[int]:
        """The ports of this machine at which the cluster's containers are reached; the engine's process holds them."""
        if not self.containers:
            return frozenset()
        from daybreak.machine.engine import own_ports

        return own_ports(self.containers)

    @cached_property
    def container_of(self) -> Callable[[int], str]:
        """The service in whose container a process runs; empty for one that is in none of the cluster's."""
        from daybreak.docker import labels
        from daybreak.machine.container_processes import container_of

        return container_of({row["Id"]: row["Labels"].get(labels.SERVICE, "") for row in self.containers})

    @cached_property
    def owns(self) -> Callable[[Listener], bool]:
        """Whether a listener is one of the cluster's, as a process of this machine or in a container."""
        belongs, inside = belongs_to(self.paths.root), self.container_of
        return lambda holder: belongs(holder) or bool(holder.pid and inside(holder.pid))

    @cached_property
    def handles(self) -> tuple[Handle, ...]:
        """The recorded instances of this boot. Nothing is moved aside, unlike where the keeper reads them."""
        found = []
        for path in sorted(self.paths.records.glob("*.json")):
            try:
                handle = Handle.from_json(json.loads(path.read_text()))
            except (OSError, ValueError, KeyError, TypeError):
                continue
            if handle.boot_id == procfs.boot_id():
                found.append(handle)
        return tuple(found)

    @cached_property
    def living(self) -> tuple[Handle, ...]:
        """The recorded instances whose main process runs."""
        return tuple(handle for handle in self.handles if procfs.alive(handle.pid, handle.started_ticks))

    @property
    def running(self) -> bool:
        """Does anything of the cluster run?"""
        runs = bool(self.living) or any(row["State"] == "running" for row in self.containers)
        return runs or any(row.state not in NOTHING_RUNS for row in self.rows.values())

    @property
    def has_head(self) -> bool:
        """Is there a head, well or not? A cluster that is only warm has none."""
        return HEAD in self.rows or any(handle.service == HEAD for handle in self.living)

    @property
    def rows(self) -> dict[str, ServiceStatus]:
        """The keeper's rows by service; none where it gave no answer."""
        return {row.name: row for row in self.snapshot.services} if self.snapshot else {}

    @property
    def keeper_pid(self) -> int | None:
        return self.snapshot.keeper_pid if self.snapshot else None

    def inherited(self, names: tuple[str, ...]) -> dict[str, str]:
        """The named variables as services inherit them: the keeper's where it runs, else this command's."""
        if self.keeper_pid:
            return procfs.environment(self.keeper_pid, names)
        return {name: self.environment[name] for name in names if name in self.environment}
