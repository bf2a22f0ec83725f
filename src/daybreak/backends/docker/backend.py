"""The docker backend: services are containers of this machine's engine.

What runs is told by the containers' labels: a keeper that was killed leaves no record that could be wrong, and the next
one adopts what it finds. Only what it was just ending is written down.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

from daybreak.backends.base import CommandResult, Exit, Handle, State, Stopped
from daybreak.backends.docker import ends, steps
from daybreak.backends.docker.container_config import Owner, secret_names
from daybreak.backends.docker.ending import Ending
from daybreak.backends.docker.events import Watch
from daybreak.backends.docker.exec import Command
from daybreak.backends.docker.freezing import ContainerFreezer
from daybreak.backends.docker.handles import handle_of, in_its_state, may_have_ended, new_handle, not_started, startable
from daybreak.backends.docker.in_threads import Calls
from daybreak.backends.docker.logs import Logs
from daybreak.docker import labels
from daybreak.docker.api import EngineClient, is_gone
from daybreak.docker.secret_env import with_secrets
from daybreak.errors import EngineError
from daybreak.names import NOT_RUN_CODE, TIMED_OUT_CODE
from daybreak.paths import ClusterPaths
from daybreak.services.service import Service

# The last lines of a container that has ended follow within milliseconds.
DRAIN_S = 2.0


class DockerBackend:
    """Starts, stops and finds the containers of one cluster. Nothing is asked of the engine before it is needed.

    Every method raises EngineError where the engine cannot be reached.
    """

    def __init__(self, paths: ClusterPaths) -> None:
        self._paths = paths
        self._owner = Owner(paths.name, str(paths.root))
        self._ours = f"{labels.ROOT}={paths.root}"
        self._calls = Calls()
        self._steps = steps.Steps(self._owner, paths.runtime)
        self._watch = Watch(self._calls.client, str(paths.root))
        self._logs = Logs(self._calls.client, paths.logs, paths.output)
        # Ids by instance, and the newest instance of each service.
        self._containers: dict[str, str] = {}
        self._newest: dict[str, str] = {}
        self._starting: set[str] = set()
        self._ending = Ending(paths.root / "ending")
        self.freezer = ContainerFreezer(self._calls, self._identities)

    async def start(self, service: Service, *, instance: str, generation: int, bound: Mapping[str, str]) -> Handle:
        """Make the service's container and start it; its output goes to the service's log file."""
        container = startable(service, self._paths.logs)
        handle = new_handle(service, instance, generation, bound)
        self._watch.begin()
        self._watch.of(instance)
        self._logs.begin(service.name, instance)
        self._starting.add(instance)
        making = asyncio.ensure_future(self._calls.ask(self._steps.start, service, container, handle))
        try:
            identity = await asyncio.shield(making)
        except asyncio.CancelledError:
            await self._abandon(making, handle)
            raise
        except (EngineError, OSError, ValueError) as error:
            self._forget(instance)
            raise not_started(service, self._paths.logs, error) from error
        finally:
            self._starting.discard(instance)
        self._containers[instance] = identity
        self._newest[service.name] = instance
        self._watch.of(instance, identity).runs = True
        self._logs.follow(instance, service.name, identity)
        return handle

    async def stop(self, handle: Handle) -> Stopped:
        """Ask the container to end, kill it after the grace, remove it; its named volumes stay."""
        began = time.monotonic()
        killed = 0
        identities = await self._identities(handle.instance)
        if identities:
            await self._calls.in_thread(self._ending.begin, handle.instance)
        try:
            for identity in identities:
                killed += await self._calls.ask(steps.stop, identity, handle.stop, lambda: self._drain(handle.instance))
        finally:
            await self._calls.in_thread(self._ending.over, handle.instance)
        self._forget(handle.instance)
        return Stopped(after_s=time.monotonic() - began, killed=killed)

    async def exited(self, handle: Handle) -> Exit:
        """Wait for the end of the container's first program; its last words are in the log by then."""
        self._watch.begin()
        identities = await self._identities(handle.instance)
        if not identities:
            return ends.REMOVED
        watched = self._watch.of(handle.instance, identities[0])
        if not watched.runs and not watched.end.done():
            end = await self._calls.ask(_end_now, identities[0])
            if end is not None:
                self._watch.ended(handle.instance, end)
            elif not watched.end.done():
                watched.runs = True
        end = await asyncio.shield(watched.end)
        await self._calls.in_thread(self._drain, handle.instance)
        return end

    async def observe(self) -> Sequence[Handle]:
        """Every container of the cluster, those that were made but never ran included."""
        rows = [row for row in await self._rows() if row["Labels"].get(labels.INSTANCE) not in self._starting]
        ending = await self._calls.in_thread(self._ending.of, {row["Labels"].get(labels.INSTANCE) for row in rows})
        found = []
        for handle, row in sorted(((handle_of(row), row) for row in rows), key=lambda pair: pair[0].started_wall):
            self._containers[handle.instance] = row["Id"]
            self._newest[handle.service] = handle.instance
            self._logs.follow(handle.instance, handle.service, row["Id"])
            clean = may_have_ended(handle, row) and _is_clean(await self._calls.ask(_end_now, row["Id"]))
            now = in_its_state(handle, row, clean=clean)
            found.append(now.in_state(State.BROKEN) if handle.instance in ending else now)
        self._logs.keep_only({handle.instance for handle in found} | self._starting)
        return found

    async def run(self, service: Service, argv: Sequence[str], *, timeout_s: float) -> CommandResult:
        """Run a command in the service's newest container, with its environment; code 127 where there is none."""
        identity = await self._of_service(service.name)
        if identity is None:
            return CommandResult(NOT_RUN_CODE, f"{service.name} has no container")
        client = await self._calls.in_thread(self._calls.client)
        if service.settle and tuple(argv) == service.settle.argv:
            # Secrets may have changed since they were copied in.
            await self._calls.ask(self._steps.copy_secrets, identity, service)
        command = Command(client, identity, (*with_secrets(secret_names(service)), *argv))
        running = asyncio.ensure_future(self._calls.in_thread(command.run))
        try:
            async with asyncio.timeout(timeout_s):
                return await asyncio.shield(running)
        except TimeoutError:
            return CommandResult(TIMED_OUT_CODE, f"no answer within {timeout_s:g} s")
        finally:
            # One that was never made needs no thread to end it: those may all wait for an engine that is slow.
            if not running.done() and not command.withdraw():
                await asyncio.shield(self._calls.in_thread(command.end))

    async def purge(self, services: Sequence[str]) -> None:
        """Delete the volumes of the named services, and the network where nothing of the cluster is left."""
        await self._calls.ask(self._steps.shared.purge, services)

    async def health(self, instance: str) -> str:
        """The engine's word: `starting`, `healthy`, `unhealthy`, or `none` without a check. Told by its events."""
        self._watch.begin()
        identities = await self._identities(instance)
        if not identities:
            return "none"
        watched = self._watch.of(instance, identities[0])
        if watched.health is None:
            word = await self._calls.ask(_health_now, identities[0])
            watched.health = watched.health or word
        return watched.health

    async def close(self) -> None:
        """Let go of the engine; what runs runs on. The network goes where nothing of the cluster is left."""
        if self._calls.were_made:
            # Where the engine was stopped in the meantime, the next purge finds it.
            with contextlib.suppress(EngineError):
                await self._calls.ask(self._steps.shared.remove_unused_network)
        self._watch.close()
        await self._calls.in_thread(self._logs.close)
        self._calls.close()

    async def _rows(self, *more: str) -> list[dict[str, Any]]:
        return await self._calls.ask(lambda client: client.containers.list([self._ours, *more]))

    async def _identities(self, instance: str) -> list[str]:
        """The instance's container; none where it has gone."""
        if instance in self._containers:
            return [self._containers[instance]]
        return [row["Id"] for row in await self._rows(f"{labels.INSTANCE}={instance}")]

    async def _of_service(self, service: str) -> str | None:
        if service not in self._newest:
            await self.observe()
        return self._containers.get(self._newest.get(service, ""))

    async def _abandon(self, making: asyncio.Future[str], handle: Handle) -> None:
        """A start that nobody waits for any more: what comes of it is removed, however often that is cancelled."""
        while not making.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait({making})
        if making.exception() is None:
            await asyncio.shield(self._calls.ask(lambda client: client.containers.remove(making.result())))
        self._forget(handle.instance)

    def _drain(self, instance: str) -> None:
        self._logs.drain(instance, DRAIN_S)

    def _forget(self, instance: str) -> None:
        self._containers.pop(instance, None)
        for service in [service for service, newest in self._newest.items() if newest == instance]:
            del self._newest[service]
        self._watch.forget(instance)
        self._logs.forget(instance)


def _end_now(client: EngineClient, identity: str) -> Exit | None:
    """How the container has ended; None where it runs."""
    try:
        return ends.of_inspection(client.containers.inspect(identity))
    except EngineError as error:
        if is_gone(error):
            return ends.REMOVED
        raise


def _is_clean(end: Exit | None) -> bool:
    return end is not None and end.clean


def _health_now(client: EngineClient, identity: str) -> str:
    return str((client.containers.inspect(identity)["State"].get("Health") or {}).get("Status") or "none")
