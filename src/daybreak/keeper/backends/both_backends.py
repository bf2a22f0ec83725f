"""Where a cluster's services run: processes of this machine, or containers of a Docker engine.

With containers some services are processes all the same: what watches the cluster, and what stands in for a program in
the head's container. So there are two backends behind one, and each service goes to the one that it is made for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from daybreak.backends.base import Backend, CommandResult, Exit, Freezes, Handle, Stopped
from daybreak.backends.process.backend import ProcessBackend
from daybreak.errors import KeeperError
from daybreak.keeper.backends.docker_reconnecting import Containers
from daybreak.keeper.backends.engine import Engine
from daybreak.keeper.backends.images import Note
from daybreak.paths import ClusterPaths
from daybreak.services.service import Service
from daybreak.spec.model import Spec

PROCESS, DOCKER = "process", "docker"
WORDS = {PROCESS: "as processes", DOCKER: "in containers"}


class Backends:
    """Both backends of one cluster. The engine is connected to when it is first needed."""

    def __init__(self, paths: ClusterPaths, stored: Spec | None) -> None:
        self._paths = paths
        self.engine = Engine(paths)
        self._processes = ProcessBackend(paths)
        self._containers = Containers(paths)
        self.freezer: Freezes = _Freezer(self._processes.freezer, self._containers)
        # Without a stored spec the marker tells what an earlier keeper has left.
        self.kind: str = stored.backend if stored else DOCKER if paths.containers.exists() else PROCESS

    async def settle_on(self, spec: Spec, note: Note) -> None:
        """From now on services run where the spec says; images that the engine lacks are pulled, and `note` is told.

        Raises KeeperError while something runs elsewhere, EngineError where the engine cannot be used, PreflightError
        for an image that cannot be had.
        """
        await self.require(spec)
        self.kind = spec.backend
        if spec.in_containers:
            await self.engine.have_needed(spec, note)

    async def require(self, spec: Spec) -> None:
        """Raise KeeperError while something runs elsewhere than where the spec says."""
        if spec.backend != self.kind and (running := await self.observe()):
            names = ", ".join(sorted(handle.service for handle in running))
            raise KeeperError(
                f"cluster {self._paths.name} runs {WORDS[self.kind]} ({names}), not {WORDS[spec.backend]}",
                hint="run `daybreak down` first",
            )

    def inherit(self, environment: Mapping[str, str]) -> None:
        """From now on the processes that are started get this environment, under what their services set."""
        self._processes.inherit(environment)

    async def start(self, service: Service, *, instance: str, generation: int, bound: Mapping[str, str]) -> Handle:
        """Start it where it belongs."""
        return await self._for(service).start(service, instance=instance, generation=generation, bound=bound)

    def children(self) -> list[int]:
        """Processes of this machine that were started here, and whose exit codes will be asked for."""
        return self._processes.children()

    async def stop(self, handle: Handle) -> Stopped:
        return await self._of(handle.instance).stop(handle)

    async def exited(self, handle: Handle) -> Exit:
        """Wait for its end, also where the engine is away for a while."""
        return await self._of(handle.instance).exited(handle)

    async def observe(self) -> Sequence[Handle]:
        """Both kinds. While the engine is away its containers are those that were last seen, in an unknown state.

        Raises EngineError where none were ever seen.
        """
        found = list(await self._processes.observe())
        if self.kind == DOCKER:
            found += await self._containers.observe()
        return found

    async def run(self, service: Service, argv: Sequence[str], *, timeout_s: float) -> CommandResult:
        """Run it where the service is; an engine that is away is a reason like any other."""
        return await self._for(service).run(service, argv, timeout_s=timeout_s)

    async def purge(self, services: Sequence[str]) -> None:
        """Delete the stored data, volumes and folders alike."""
        await self._processes.purge(services)
        if self.kind == DOCKER:
            await self._containers.purge(services)

    async def health(self, instance: str) -> str:
        """The engine's word about a container."""
        return await self._containers.health(instance) if instance in self._containers else "none"

    async def close(self) -> None:
        """Let go of the engine; the cluster's network goes with its last container."""
        await self._containers.close()
        self.engine.close()

    def _for(self, service: Service) -> Backend:
        return self._containers if service.container else self._processes

    def _of(self, instance: str) -> Backend:
        return self._containers if instance in self._containers else self._processes


@dataclass(frozen=True)
class _Freezer:
    """What stands in for programs of a container is stopped before that, and goes on after it."""

    processes: Freezes
    containers: Containers

    async def freeze(self, handles: Sequence[Handle]) -> None:
        inside, outside = self._parted(handles)
        await self.processes.freeze(outside)
        if inside:
            await self.containers.freeze(inside)

    async def thaw(self, handles: Sequence[Handle]) -> None:
        inside, outside = self._parted(handles)
        if inside:
            await self.containers.thaw(inside)
        await self.processes.thaw(outside)

    def _parted(self, handles: Sequence[Handle]) -> tuple[list[Handle], list[Handle]]:
        inside = [handle for handle in handles if handle.instance in self.containers]
        return inside, [handle for handle in handles if handle not in inside]
