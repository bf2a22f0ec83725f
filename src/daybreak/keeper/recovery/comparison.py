"""Comparing what is wanted with what is there, now and then: an event may be missed, or there is nobody to send one."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from daybreak.backends.base import Backend, Handle, State
from daybreak.errors import EngineError
from daybreak.keeper.followers import Followers
from daybreak.keeper.recovery.left_generation import left
from daybreak.keeper.runner import Runner
from daybreak.paths import ClusterPaths
from daybreak.services.build import Cluster
from daybreak.services.ray.addresses import needed_folder, node_names
from daybreak.services.service import Service, Tier
from daybreak.states import FINE
from daybreak.timeline.event import Kind
from daybreak.timeline.recorder import Recorder

INTERVAL_S = 30.0
# The engine's own events end with it.
ENGINE_INTERVAL_S = 5.0
# A database lives elsewhere, and a check of its own tells when its socket has gone.
LIVE_IN_RUNTIME = (Tier.APP, Tier.WARM)


@dataclass
class Comparison:
    """One cluster's. `adopt` takes over what runs where nothing could be found when the keeper came, `on_nothing` is
    told where nothing runs, `on_left` where something of another generation runs than of the one that is wanted."""

    paths: ClusterPaths
    backend: Backend
    followers: Followers
    runner: Runner
    record: Recorder
    adopt: Callable[[], Awaitable[None]]
    on_nothing: Callable[[], None]
    on_left: Callable[[], None]
    _unknown: dict[str, bool] = field(default_factory=dict)

    async def once(self) -> None:
        """Not while an operation changes it."""
        if self.runner.busy:
            return
        try:
            handles = await self.backend.observe()
        except EngineError:
            return  # nobody knows anything, as the status has said since the keeper came
        if self.runner.busy:
            return
        if not handles and not self.followers.supervisor.busy:
            self.on_nothing()
        if self.followers.desired.cluster is None:
            await self.adopt()
            return
        self._tell_unknown(self.followers.here(handles))
        if target := self.followers.desired.before():
            here = self.followers.here(handles)
            self.followers.supervisor.compare(target.cluster.services, here)
            self.followers.board.observe(here)
            self._look_for_folders(target.cluster, here)
            if left(self.followers.but_kept(handles), target.state.slot):
                self.on_left()

    def _tell_unknown(self, handles: Sequence[Handle]) -> None:
        """Of what nobody can tell the row says so; when it is found running again it says what it said before."""
        rows = self.followers.board.rows
        for handle in handles:
            name = handle.service
            if handle.state is State.UNKNOWN and name in rows and name not in self._unknown:
                self._unknown[name] = rows[name].state in FINE
                self.record.emit(Kind.UNKNOWN, name, reason="Docker's engine does not answer")
            elif handle.state not in (State.UNKNOWN, State.BROKEN) and name in self._unknown:
                known = {"pid": handle.pid, "instance": handle.instance, "done": handle.done}
                self.record.emit(Kind.ADOPTED, name, **known, ready=self._unknown.pop(name))
            elif handle.state is State.BROKEN:
                self._unknown.pop(name, None)

    def _look_for_folders(self, cluster: Cluster, handles: Sequence[Handle]) -> None:
        """What runs without its folder in the runtime folder cannot work: nobody finds its sockets."""
        running = {handle.service for handle in handles if handle.state is State.RUNNING}
        lost = {
            service.name
            for service in cluster.services
            if service.name in running
            and service.tier in LIVE_IN_RUNTIME
            and any(not os.path.isdir(folder) for folder in _folders(service, cluster))
        }
        if new := lost - self.followers.supervisor.busy - self.followers.supervisor.given_up:
            text = f"folders in {self.paths.runtime} have been deleted: what lived there is started anew"
            self.record.emit(Kind.NOTE, text=text, level="error")
            for name in sorted(new):
                self.followers.supervisor.replace(name)


def _folders(service: Service, cluster: Cluster) -> list[str]:
    """The folders that a service has in the runtime folder: those it asks for, and the one that a Ray node needs."""
    nodes = node_names(cluster.spec)
    own = [needed_folder(cluster.site, service.name)] if service.name in nodes else []
    return [*own, *(folder for folder in service.folders if folder.startswith(f"{cluster.site.runtime}{os.sep}"))]
