"""`down`: whatever is under way is cancelled, and everything stopped; data is deleted where that is asked for."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Any

from daybreak.backends.process.purging import DELETED
from daybreak.errors import DaybreakError
from daybreak.keeper.backends.both_backends import Backends
from daybreak.keeper.control.owner import NOBODY
from daybreak.keeper.control.request import Request
from daybreak.keeper.control.subscribers import Subscribers
from daybreak.keeper.followers import Followers
from daybreak.keeper.generations.kept import Keeping
from daybreak.keeper.housekeeping.runtime_cleanup import clean_runtime
from daybreak.keeper.runner import Operation, Runner
from daybreak.keeper.runs.hooks import HookRunner
from daybreak.keeper.runs.measured_runs import MeasuredRuns
from daybreak.keeper.wanted.wanted_state import Errand, UnderWay
from daybreak.paths import ClusterPaths
from daybreak.run.change import Change
from daybreak.run.reconcile import reconcile
from daybreak.services.service import MountKind
from daybreak.timeline.event import RunKind
from daybreak.timeline.recorder import Recorder


@dataclass
class Down:
    """Stops the cluster."""

    paths: ClusterPaths
    backends: Backends
    followers: Followers
    runner: Runner
    measured: MeasuredRuns
    record: Recorder
    subscribers: Subscribers
    keeping: Keeping
    hooks: HookRunner

    async def __call__(self, request: Request, operation: Operation) -> dict[str, Any]:
        self.followers.supervisor.forgive()
        self.runner.cancel_others(operation, "`daybreak down`" + (f" (pid {request.pid})" if request.pid else ""))
        async with self.runner.turn(operation):
            cluster = self.followers.desired.cluster if request.hooks else None
            await self.hooks.before("down", cluster, operation)
            done = await self.stop(request, operation)
            await self.hooks.after("down", cluster, operation)
            return done

    async def stop(self, request: Request, operation: Operation) -> dict[str, Any]:
        """For an operation that has its turn. Killed in the middle it is finished by the next keeper, but for what was
        to be deleted: that needs somebody who asks for it."""
        desired = self.followers.desired
        self.followers.supervisor.forgive()
        # The next start is one of what the folder has.
        desired.change(settled=False, rolled_back=None, under_way=UnderWay(Errand.STOP, operation.pid))
        await self.keeping.end("everything is stopped")
        if desired.state and not desired.cluster:
            with contextlib.suppress(DaybreakError):
                desired.cluster = (await desired.target(desired.state)).cluster
        done = await self._stop_everything(operation)
        if request.volumes:
            done["deleted"] = await self._purge()
        self.followers.end()
        await asyncio.to_thread(clean_runtime, self.paths.runtime, frozenset([self.paths.socket.name]))
        desired.change(under_way=None)
        return done

    async def _stop_everything(self, operation: Operation) -> dict[str, Any]:
        """A measured run; where the stored spec cannot be used any more, everything is stopped all the same."""
        observed = await self.backends.observe()
        if not observed:
            return {}
        change = Change(())
        steps = change.plan(observed)
        if cluster := self.followers.desired.cluster:
            return await self.measured.carry_out(operation, RunKind.STOP, steps, change, cluster)
        with self.subscribers.told(operation.client):
            await reconcile(steps, change, self.backends, self.record, self.paths.logs)
        return {}

    async def _purge(self) -> list[str]:
        """Delete the databases' data; returns whose. The cluster is nobody's from now on."""
        names = [folder.name for folder in self.paths.data.iterdir() if not folder.name.startswith(DELETED)]
        names += [name for name in self._stored_in_volumes() if name not in names]
        await self.backends.purge(names)
        NOBODY.save(self.paths)
        return names

    def _stored_in_volumes(self) -> list[str]:
        """The services of the last spec whose data a Docker engine keeps."""
        cluster = self.followers.desired.cluster
        services = cluster.services if cluster else ()
        containers = [(service.name, service.container.mounts) for service in services if service.container]
        return [name for name, mounts in containers if any(mount.kind is MountKind.VOLUME for mount in mounts)]
