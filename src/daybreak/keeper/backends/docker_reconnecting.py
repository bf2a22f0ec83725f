"""The docker backend for a keeper that lives longer than an engine: one that is away for a while ends nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from daybreak.backends.base import CommandResult, Exit, Handle, State, Stopped
from daybreak.errors import EngineError
from daybreak.names import NOT_RUN_CODE
from daybreak.paths import ClusterPaths
from daybreak.services.service import Service

if TYPE_CHECKING:
    from daybreak.backends.docker.backend import DockerBackend

# While an engine is away, as when it is restarted.
ENGINE_AGAIN_S = 1.0


class Containers:
    """One cluster's. A marker in its folder says that there may be some, also to a keeper without a stored state."""

    def __init__(self, paths: ClusterPaths) -> None:
        self._paths = paths
        self._made: DockerBackend | None = None
        self._theirs: set[str] = set()
        self._seen: dict[str, Handle] = {}

    def __contains__(self, instance: str) -> bool:
        """Whether the instance is, or was, a container."""
        return instance in self._theirs

    async def start(self, service: Service, *, instance: str, generation: int, bound: Mapping[str, str]) -> Handle:
        self._paths.containers.touch()
        self._theirs.add(instance)
        handle = await self._backend().start(service, instance=instance, generation=generation, bound=bound)
        self._seen[instance] = handle
        return handle

    async def stop(self, handle: Handle) -> Stopped:
        stopped = await self._backend().stop(handle)
        self._seen.pop(handle.instance, None)
        return stopped

    async def exited(self, handle: Handle) -> Exit:
        """Wait for its end, also where the engine is away for a while."""
        while True:
            try:
                return await self._backend().exited(handle)
            except EngineError:
                await asyncio.sleep(ENGINE_AGAIN_S)

    async def observe(self) -> Sequence[Handle]:
        """While the engine is away those that were last seen, in an unknown state; EngineError where none were."""
        try:
            seen = await self._backend().observe()
        except EngineError:
            if not self._seen:
                raise
            return [handle.in_state(State.UNKNOWN) for handle in self._seen.values()]
        self._seen = {handle.instance: handle for handle in seen}
        self._theirs |= self._seen.keys()
        if not seen:
            self._paths.containers.unlink(missing_ok=True)
        return seen

    async def run(self, service: Service, argv: Sequence[str], *, timeout_s: float) -> CommandResult:
        """An engine that is away is a reason like any other."""
        try:
            return await self._backend().run(service, argv, timeout_s=timeout_s)
        except EngineError as error:
            return CommandResult(NOT_RUN_CODE, error.message)

    async def freeze(self, handles: Sequence[Handle]) -> None:
        await self._backend().freezer.freeze(handles)

    async def thaw(self, handles: Sequence[Handle]) -> None:
        await self._backend().freezer.thaw(handles)

    async def purge(self, services: Sequence[str]) -> None:
        await self._backend().purge(services)

    async def health(self, instance: str) -> str:
        try:
            return await self._backend().health(instance)
        except EngineError as error:
            return f"unknown: {error.message}"

    async def close(self) -> None:
        if self._made is not None:
            await self._made.close()

    def _backend(self) -> DockerBackend:
        """Made at the first need, and its modules imported with it."""
        if self._made is None:
            from daybreak.backends.docker.backend import DockerBackend

            self._made = DockerBackend(self._paths)
        return self._made
