"""The status of the cluster at one moment: what `status --json` prints."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Protocol

from daybreak import __version__
from daybreak.keeper.followers import Followers
from daybreak.keeper.hosts.link import Link
from daybreak.keeper.runner import Runner
from daybreak.keeper.schedules.runs import ScheduledRuns
from daybreak.keeper.status.answering import Answering, told
from daybreak.keeper.wanted.desired import Desired
from daybreak.keeper.wanted.wanted_state import WantedState
from daybreak.paths import ClusterPaths
from daybreak.services.build import Cluster
from daybreak.services.ray import haproxy, holes
from daybreak.spec.groups import by_group
from daybreak.states import BY_YOU, FINE, WELL, ClusterState, PageState, ServiceState
from daybreak.timeline.event import RunKind
from daybreak.timeline.status import KeptStatus, PauseStatus, ServiceStatus, Snapshot, VersionStatus


class HasKind(Protocol):
    """Where services run."""

    @property
    def kind(self) -> str: ...


class HasRows(Protocol):
    """Who knows of the other machines."""

    def rows(self) -> Sequence[Mapping[str, Any]]: ...


@dataclass
class Snapshots:
    """Makes snapshots of what is wanted, what is there and what is under way."""

    paths: ClusterPaths
    backends: HasKind
    followers: Followers
    runner: Runner
    schedules: ScheduledRuns
    hosts: HasRows
    link: Link
    answering: Answering

    async def asked(self) -> Snapshot:
        """The status, where somebody waits for it: whether requests are answered is looked at now."""
        return self.now(await self.answering.wrongs())

    def now(self, wrongs: Mapping[str, str] = MappingProxyType({})) -> Snapshot:
        """The status; `wrongs` says why services do not answer."""
        desired = self.followers.desired
        cluster = desired.cluster
        known = self.schedules.rows(self.followers.board.rows.values())
        rows = told(with_stopped(known, desired.state.stopped if desired.state else ()), wrongs)
        page = self.followers.page.state()
        gateway = self.followers.gateway
        pause = gateway.pauses.now if gateway.there else None
        urls = {key: url for row in rows if row.state is ServiceState.READY for key, url in row.urls.items()}
        if page.state is PageState.LISTENING and page.url:
            urls["page"] = page.url
        return Snapshot(
            name=self.paths.name,
            state=state_of(rows, self.runner.kind),
            keeper_pid=os.getpid(),
            daybreak=__version__,
            generation=desired.state.generation if desired.state else 0,
            workers=cluster.spec.workers.count if cluster else 0,
            groups={name: group.count for name, group in by_group(cluster.spec.workers).items()} if cluster else {},
            ray=cluster.site.ray.version if cluster else None,
            backend=self.backends.kind,
            root=str(self.paths.root),
            version=_version(desired.state) if cluster and cluster.spec.serve.wanted else None,
            kept=kept_status(desired.state),
            run=str(self.runner.kind) if self.runner.kind else None,
            urls=urls,
            page=page,
            pause=PauseStatus(pause.since, pause.page is not None) if pause else None,
            absent=dict(cluster.site.absent) if cluster else {},
            notes=(*filter(None, [self.link.note(), _warm_note(desired)]), *(_notes(cluster) if cluster else ())),
            services=rows,
            serving=self.followers.applications.to_json(),
            traffic=self.followers.traffic.to_json(),
            alerts=self.followers.alerting.to_json(),
            hosts=tuple(self.hosts.rows()),
        )


def _version(state: WantedState | None) -> VersionStatus | None:
    if state is None or state.version is None:
        return None
    return VersionStatus(state.version, state.rolled_back is not None)


def kept_status(state: WantedState | None) -> KeptStatus | None:
    """The generation that is kept beside what is wanted."""
    kept = state.kept if state else None
    return KeptStatus(kept.state.version, kept.until, kept.memory_bytes) if kept else None


def _warm_note(desired: Desired) -> str:
    """Of a template that `down` has left; empty where it has left none."""
    state = desired.state
    if state is None or state.warm_until is None or desired.serving:
        return ""
    until = time.strftime("%H:%M:%S", time.localtime(state.warm_until))
    return f"the warm template is kept until {until}, and an `up` until then is a warm start"


def _notes(cluster: Cluster) -> tuple[str, ...]:
    site = cluster.site
    tls = [site.tls_note] if site.tls_note else []
    return (*holes.without_token(site), *haproxy.notes(cluster.spec, site), *tls)


def with_stopped(rows: Iterable[ServiceStatus], stopped: Collection[str]) -> tuple[ServiceStatus, ...]:
    """The rows, which say of what the user has stopped that it is."""
    return tuple(
        replace(row, reason=BY_YOU) if row.name in stopped and row.state is ServiceState.STOPPED else row
        for row in rows
    )


def state_of(rows: Sequence[ServiceStatus], run: RunKind | None) -> ClusterState:
    """The whole cluster's; `run` is what is under way."""
    if run:
        return ClusterState.STOPPING if run is RunKind.STOP else ClusterState.STARTING
    # What has failed keeps its row, with the reason.
    if all(
        row.state is ServiceState.STOPPED or (row.state is ServiceState.FAILED and not row.instance) for row in rows
    ):
        return ClusterState.STOPPED
    fine = all((row.state in FINE and row.health in WELL) or row.reason == BY_YOU for row in rows)
    return ClusterState.READY if fine else ClusterState.DEGRADED
