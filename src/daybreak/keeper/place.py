"""Where a cluster's services run: processes of this machine, or containers of a Docker engine.

With containers some services are processes all the same: what watches the cluster, and what stands in for a program in
the head's container. So there are two backends behind one, and each service goes to the one that it is made for.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daybreak.backends.base import Backend, CommandResult, Exit, Handle, Stopped
from daybreak.backends.process import ProcessBackend
from daybreak.errors import EngineError, KeeperError, PreflightError
from daybreak.keeper.wanted import WantedState
from daybreak.paths import ClusterPaths
from daybreak.services.base import Service
from daybreak.services.site import Site
from daybreak.spec.model import Spec
from daybreak.survey.engine import wanted_images, watching_images
from daybreak.survey.images import BUILD, NOT_FOUND, missing
from daybreak.survey.site import survey

if TYPE_CHECKING:
    from daybreak.backends.docker import DockerBackend
    from daybreak.engine.client import EngineClient

TELL_S = 2.0
# While an engine is away, as when it is restarted.
ENGINE_AGAIN_S = 1.0
NOT_RUN_CODE = 127
PROCESS, DOCKER = "process", "docker"
WORDS = {PROCESS: "as processes", DOCKER: "in containers"}


class Place:
    """Both backends of one cluster. The engine is connected to when it is first needed."""

    def __init__(self, paths: ClusterPaths, wanted: WantedState | None) -> None:
        self._paths = paths
        self._processes = ProcessBackend(paths)
        self._containers: DockerBackend | None = None
        self._client: EngineClient | None = None
        self._theirs: set[str] = set()
        # Without a stored state the marker tells what an earlier keeper has left.
        spec = wanted.spec if wanted else {}
        self.kind = str(spec.get("backend", DOCKER if paths.containers.exists() else PROCESS))
        if self.kind == DOCKER:
            # The engine's package takes its time, and so do the imports that come next: side by side.
            threading.Thread(target=_import_package, daemon=True).start()

    # --- choosing -----------------------------------------------------------------------------------------------------

    async def settle_on(self, spec: Spec, note: Callable[[str], None]) -> None:
        """From now on services run where the spec says; images that the engine lacks are pulled, and `note` is told.

        Raises KeeperError while something runs elsewhere, EngineError where the engine cannot be used, PreflightError
        for an image that cannot be had.
        """
        if spec.backend != self.kind:
            if running := await self.observe():
                names = ", ".join(sorted(handle.service for handle in running))
                raise KeeperError(
                    f"cluster {self._paths.name} runs {WORDS[self.kind]} ({names}), not {WORDS[spec.backend]}",
                    hint="run `daybreak down` first",
                )
            self.kind = spec.backend
        if spec.in_containers:
            await self._have_needed(spec, note)

    async def fetch(self, spec: Spec, note: Callable[[str], None]) -> None:
        """Pull every image that the engine lacks; one that only watches may be missing, and `note` is told so.

        Raises EngineError where the engine cannot be used, PreflightError for an image that cannot be had.
        """
        await self._have_needed(spec, note)
        for name in watching_images(spec).values():
            try:
                await _have(self._connect(), name, note)
            except PreflightError as error:
                note("; ".join(error.problems))

    async def _have_needed(self, spec: Spec, note: Callable[[str], None]) -> None:
        for name in dict.fromkeys(wanted_images(spec).values()):
            await _have(self._connect(), name, note)

    def survey(self, spec: Spec, base: Path, *, only_look: bool = False) -> Site:
        """What this machine, and its engine where there is one, offer to the cluster; `only_look` keeps nothing."""
        return survey(spec, base, self._paths, self._connect() if spec.in_containers else None, only_look=only_look)

    def inherit(self, environment: Mapping[str, str]) -> None:
        """From now on the processes that are started get this environment, under what their services set."""
        self._processes.inherited = environment

    def _connect(self) -> EngineClient:
        if self._client is None:
            from daybreak.engine.connect import connect

            self._client = connect()
        return self._client

    def _engine(self) -> DockerBackend:
        if self._containers is None:
            from daybreak.backends.docker import DockerBackend

            self._containers = DockerBackend(self._paths)
        return self._containers

    # --- a backend ----------------------------------------------------------------------------------------------------

    async def start(self, service: Service, *, instance: str, generation: int, bound: Mapping[str, str]) -> Handle:
        """Start it where it belongs."""
        if service.container is None:
            return await self._processes.start(service, instance=instance, generation=generation, bound=bound)
        self._paths.containers.touch()
        self._theirs.add(instance)
        return await self._engine().start(service, instance=instance, generation=generation, bound=bound)

    def children(self) -> list[int]:
        """Processes of this machine that were started here, and whose exit codes will be asked for."""
        return self._processes.children()

    async def stop(self, handle: Handle) -> Stopped:
        return await self._of(handle).stop(handle)

    async def exited(self, handle: Handle) -> Exit:
        """Wait for its end, also where the engine is away for a while."""
        while True:
            try:
                return await self._of(handle).exited(handle)
            except EngineError:
                await asyncio.sleep(ENGINE_AGAIN_S)

    async def observe(self) -> Sequence[Handle]:
        """Both kinds. Raises EngineError where containers cannot be asked for."""
        found = list(await self._processes.observe())
        if self.kind == DOCKER:
            containers = await self._engine().observe()
            self._theirs |= {handle.instance for handle in containers}
            found += containers
            if not containers:
                self._paths.containers.unlink(missing_ok=True)
        return found

    async def run(self, service: Service, argv: Sequence[str], *, timeout_s: float) -> CommandResult:
        """Run it where the service is; an engine that is away is a reason like any other."""
        backend = self._engine() if service.container else self._processes
        try:
            return await backend.run(service, argv, timeout_s=timeout_s)
        except EngineError as error:
            return CommandResult(NOT_RUN_CODE, error.message)

    async def purge(self, services: Sequence[str]) -> None:
        """Delete the stored data, volumes and folders alike."""
        await self._processes.purge(services)
        if self.kind == DOCKER:
            await self._engine().purge(services)

    async def health(self, instance: str) -> str:
        """The engine's word about a container."""
        try:
            return await self._engine().health(instance) if instance in self._theirs else "none"
        except EngineError as error:
            return f"unknown: {error.message}"

    async def close(self) -> None:
        """Let go of the engine; the cluster's network goes with its last container."""
        if self._containers is not None:
            await self._containers.close()
        if self._client is not None:
            self._client.close()

    def _of(self, handle: Handle) -> Backend:
        return self._engine() if handle.instance in self._theirs else self._processes


async def _have(client: Any, name: str, note: Callable[[str], None]) -> None:
    """Pull an image that the engine lacks."""
    try:
        client.image(name)
        return
    except EngineError as error:
        if error.status != NOT_FOUND:
            raise
    if name.startswith("daybreak/"):
        raise missing(name)  # only this machine makes such images
    note(f"pulling the image {name}")
    loop = asyncio.get_running_loop()
    progress = Pulling(name)

    def tell(said: dict[str, Any]) -> None:
        if line := progress.line(said, time.monotonic()):
            loop.call_soon_threadsafe(note, line)

    try:
        await asyncio.to_thread(client.pull, name, tell)
    except EngineError as error:
        raise PreflightError(
            [f"the image {name} is not there and cannot be pulled: {error.message}"],
            hint=f"{BUILD} makes one with Ray; or load it: docker load, docker tag",
        ) from error
    note(f"pulled the image {name}")


class Pulling:
    """How far a pull is, from what the engine says of each layer; a line every few seconds."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._layers: dict[str, tuple[int, int]] = {}
        self._told_s = 0.0

    def line(self, said: Mapping[str, Any], now_s: float) -> str | None:
        """A line for people, if it is time for one. Sizes of layers that were not begun are not known yet."""
        detail = said.get("progressDetail") or {}
        if said.get("status") == "Downloading" and "total" in detail:
            self._layers[str(said.get("id"))] = (int(detail.get("current", 0)), int(detail["total"]))
        elif said.get("status") in ("Download complete", "Pull complete") and str(said.get("id")) in self._layers:
            total = self._layers[str(said["id"])][1]
            self._layers[str(said["id"])] = (total, total)
        self._told_s = self._told_s or now_s
        if not self._layers or now_s - self._told_s < TELL_S:
            return None
        self._told_s = now_s
        here, all_of_it = (sum(part[place] for part in self._layers.values()) / 1e6 for place in (0, 1))
        return f"pulling the image {self._name}: {here:,.0f} of {all_of_it:,.0f} MB"


def _import_package() -> None:
    try:
        import docker  # noqa: F401
    except Exception:
        pass  # whoever needs it says so
