"""The docker backend: services are containers of this machine's engine.

What runs is told by the containers' labels alone: a keeper that was killed leaves no record that could be wrong, and
the next one adopts what it finds.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from daybreak.backends import docker_ends, docker_steps
from daybreak.backends.base import CommandResult, Exit, Handle, State, Stopped
from daybreak.backends.docker_config import Owner, secret_names, unusable_names, with_secrets
from daybreak.backends.docker_events import Watch
from daybreak.backends.docker_exec import NOT_RUN_CODE, Command
from daybreak.backends.docker_logs import Logs
from daybreak.engine import labels
from daybreak.engine.client import EngineClient, is_gone
from daybreak.engine.connect import connect
from daybreak.errors import DaybreakError, EngineError, ServiceDied
from daybreak.paths import ClusterPaths
from daybreak.services.base import Container, Service, log_path

# A whole cluster starts and stops at once.
THREADS = 32
TIMED_OUT_CODE = 124
# The last lines of a container that has ended follow within milliseconds.
DRAIN_S = 2.0
RUNS = ("running", "paused", "restarting")
T = TypeVar("T")


class DockerBackend:
    """Starts, stops and finds the containers of one cluster. Nothing is asked of the engine before it is needed.

    Every method raises EngineError where the engine cannot be reached.
    """

    def __init__(self, paths: ClusterPaths) -> None:
        self._paths = paths
        self._owner = Owner(paths.name, str(paths.root))
        self._ours = f"{labels.ROOT}={paths.root}"
        self._connecting = threading.Lock()
        self._connected: EngineClient | None = None
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="docker")
        self._steps = docker_steps.Steps(self._owner, paths.runtime)
        self._watch = Watch(self._client, str(paths.root))
        self._logs = Logs(self._client, paths.logs, paths.output)
        # Ids by instance, and the newest instance of each service.
        self._containers: dict[str, str] = {}
        self._newest: dict[str, str] = {}
        self._starting: set[str] = set()

    async def start(self, service: Service, *, instance: str, generation: int, bound: Mapping[str, str]) -> Handle:
        """Make the service's container and start it; its output goes to the service's log file."""
        container = self._container(service)
        handle = self._handle(service, instance, generation, bound)
        self._watch.begin()
        self._watch.of(instance)
        self._logs.begin(service.name, instance)
        self._starting.add(instance)
        making = asyncio.ensure_future(self._ask(self._steps.start, service, container, handle))
        try:
            identity = await asyncio.shield(making)
        except asyncio.CancelledError:
            await self._abandon(making, handle)
            raise
        except (EngineError, OSError, ValueError) as error:
            self._forget(instance)
            raise self._not_started(service, error) from error
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
        for identity in await self._identities(handle.instance):
            killed += await self._ask(docker_steps.stop, identity, handle.stop, lambda: self._drain(handle.instance))
        self._forget(handle.instance)
        return Stopped(after_s=time.monotonic() - began, killed=killed)

    async def exited(self, handle: Handle) -> Exit:
        """Wait for the end of the container's first program; its last words are in the log by then."""
        self._watch.begin()
        identities = await self._identities(handle.instance)
        if not identities:
            return docker_ends.REMOVED
        watched = self._watch.of(handle.instance, identities[0])
        if not watched.runs and not watched.end.done():
            end = await self._ask(_end_now, identities[0])
            if end is not None:
                self._watch.ended(handle.instance, end)
            elif not watched.end.done():
                watched.runs = True
        end = await asyncio.shield(watched.end)
        await self._in_thread(self._drain, handle.instance)
        return end

    async def observe(self) -> Sequence[Handle]:
        """Every container of the cluster, those that were made but never ran included."""
        rows = [row for row in await self._rows() if row["Labels"].get(labels.INSTANCE) not in self._starting]
        found = []
        for handle, row in sorted(((_handle_of(row), row) for row in rows), key=lambda pair: pair[0].started_wall):
            self._containers[handle.instance] = row["Id"]
            self._newest[handle.service] = handle.instance
            self._logs.follow(handle.instance, handle.service, row["Id"])
            found.append(await self._in_its_state(handle, row))
        self._logs.keep_only({handle.instance for handle in found} | self._starting)
        return found

    async def run(self, service: Service, argv: Sequence[str], *, timeout_s: float) -> CommandResult:
        """Run a command in the service's newest container, with its environment; code 127 where there is none."""
        identity = await self._of_service(service.name)
        if identity is None:
            return CommandResult(NOT_RUN_CODE, f"{service.name} has no container")
        client = await self._in_thread(self._client)
        command = Command(client, identity, (*with_secrets(secret_names(service)), *argv))
        running = asyncio.ensure_future(self._in_thread(command.run))
        try:
            async with asyncio.timeout(timeout_s):
                return await asyncio.shield(running)
        except TimeoutError:
            return CommandResult(TIMED_OUT_CODE, f"no answer within {timeout_s:g} s")
        finally:
            if not running.done():
                await asyncio.shield(self._in_thread(command.end))

    async def purge(self, services: Sequence[str]) -> None:
        """Delete the volumes of the named services, and the network where nothing of the cluster is left."""
        await self._ask(self._steps.shared.purge, services)

    async def health(self, instance: str) -> str:
        """The engine's word: `starting`, `healthy`, `unhealthy`, or `none` without a check. Told by its events."""
        self._watch.begin()
        identities = await self._identities(instance)
        if not identities:
            return "none"
        watched = self._watch.of(instance, identities[0])
        if watched.health is None:
            word = await self._ask(_health_now, identities[0])
            watched.health = watched.health or word
        return watched.health

    async def close(self) -> None:
        """Let go of the engine; what runs runs on. The network goes where nothing of the cluster is left."""
        if self._connected is not None:
            # Where the engine was stopped in the meantime, the next purge finds it.
            with contextlib.suppress(EngineError):
                await self._ask(self._steps.shared.remove_unused_network)
        self._watch.close()
        await self._in_thread(self._logs.close)
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._connected is not None:
            self._connected.close()

    def _client(self) -> EngineClient:
        """The way to the engine, made at the first need. Blocks."""
        with self._connecting:
            if self._connected is None:
                self._connected = connect()
            return self._connected

    async def _ask(self, function: Callable[..., T], *args: Any) -> T:
        """Call a function that blocks with the client, in a thread."""
        return await self._in_thread(lambda: function(self._client(), *args))

    async def _in_thread(self, function: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *args)

    async def _rows(self, *more: str) -> list[dict[str, Any]]:
        return await self._ask(lambda client: client.containers([self._ours, *more]))

    async def _identities(self, instance: str) -> list[str]:
        """The instance's container; none where it has gone."""
        if instance in self._containers:
            return [self._containers[instance]]
        return [row["Id"] for row in await self._rows(f"{labels.INSTANCE}={instance}")]

    async def _of_service(self, service: str) -> str | None:
        if service not in self._newest:
            await self.observe()
        return self._containers.get(self._newest.get(service, ""))

    async def _in_its_state(self, handle: Handle, row: Mapping[str, Any]) -> Handle:
        if row["State"] in RUNS:
            return handle.in_state(State.RUNNING)
        if (handle.one_shot or handle.may_end) and row["State"] == "exited":
            end = await self._ask(_end_now, row["Id"])
            return handle.ended(clean=end is not None and end.clean)
        return handle.in_state(State.BROKEN)

    async def _abandon(self, making: asyncio.Future[str], handle: Handle) -> None:
        """A start that nobody waits for any more: what comes of it is removed, however often that is cancelled."""
        while not making.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait({making})
        if making.exception() is None:
            await asyncio.shield(self._ask(EngineClient.remove, making.result()))
        self._forget(handle.instance)

    def _drain(self, instance: str) -> None:
        self._logs.drain(instance, DRAIN_S)

    def _forget(self, instance: str) -> None:
        self._containers.pop(instance, None)
        for service in [service for service, newest in self._newest.items() if newest == instance]:
            del self._newest[service]
        self._watch.forget(instance)
        self._logs.forget(instance)

    def _container(self, service: Service) -> Container:
        if service.container is None:
            raise self._not_started(service, ValueError("it has no image"))
        if wrong := unusable_names(service):
            raise self._not_started(service, ValueError(f"a secret cannot be called {', '.join(wrong)}"))
        return service.container

    def _handle(self, service: Service, instance: str, generation: int, bound: Mapping[str, str]) -> Handle:
        return Handle(
            service=service.name,
            tier=str(service.tier),
            instance=instance,
            fingerprint=service.fingerprint(),
            pid=0,
            started_ticks=0,
            boot_id="",
            started_wall=time.time(),
            generation=generation,
            bound=dict(bound),
            stop=service.stop,
            vital=service.vital,
            one_shot=service.one_shot,
            may_end=service.may_end,
        )

    def _not_started(self, service: Service, error: Exception) -> ServiceDied:
        why, hint = str(error), None
        if isinstance(error, DaybreakError):
            why, hint = error.message, error.hint
        elif isinstance(error, OSError) and error.filename:
            why = f"{error.filename}: {error.strerror}"
        if "no such image" in why.lower() and service.container:
            why, hint = f"there is no image {service.container.image}", f"docker pull {service.container.image}"
        return ServiceDied(
            f"{service.name} could not be started: {why}",
            service=service.name,
            log=str(log_path(self._paths.logs, service.name)),
            hint=hint,
        )


def _end_now(client: EngineClient, identity: str) -> Exit | None:
    """How the container has ended; None where it runs."""
    try:
        return docker_ends.of_inspection(client.inspect(identity))
    except EngineError as error:
        if is_gone(error):
            return docker_ends.REMOVED
        raise


def _health_now(client: EngineClient, identity: str) -> str:
    return str((client.inspect(identity)["State"].get("Health") or {}).get("Status") or "none")


def _handle_of(row: Mapping[str, Any]) -> Handle:
    """The handle in the container's labels; where it cannot be read, one that is good for stopping it, no more."""
    found = row["Labels"]
    try:
        return Handle.from_json(json.loads(found[labels.HANDLE]))
    except (ValueError, KeyError, TypeError):
        return Handle(
            service=found.get(labels.SERVICE, "unknown"),
            tier=found.get(labels.TIER, "app"),
            # Nobody else's container has the cluster's state folder on it.
            instance=found.get(labels.INSTANCE, row["Id"][:12]),
            fingerprint="",
            pid=0,
            started_ticks=0,
            boot_id="",
            started_wall=float(row["Created"]),
            state=State.BROKEN,
        )
