"""What the tests of the docker backend share: services of one shell command, and a backend that leaves nothing."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

from daybreak.backends.base import Handle
from daybreak.backends.docker.backend import DockerBackend
from daybreak.docker import labels
from daybreak.docker.api import EngineClient
from daybreak.docker.connect import connect
from daybreak.paths import ClusterPaths
from daybreak.services.service import Container, Service, StopPolicy, Tier
from tests.docker.helpers import BASE

SUBNET = "10.211.78.0/24"
ADDRESS = "10.211.78.9"
DEADLINE_S = 120.0
MIB = 1024 * 1024
RUNS = "exec sleep 600"


def service(script: str, name: str = "api", *, container: dict[str, Any] | None = None, **rest: Any) -> Service:
    return Service(
        name,
        Tier.APP,
        ("/bin/sh", "-c", script),
        cwd="/",
        **({"container": Container(BASE, **({"entrypoint": ()} | (container or {})))} | rest),
    )


@contextlib.asynccontextmanager
async def backend_of(paths: ClusterPaths, *services: str) -> AsyncIterator[DockerBackend]:
    """A backend; afterwards nothing of its cluster is left, the volumes of these services included."""
    backend = DockerBackend(paths)
    try:
        yield backend
    finally:
        for handle in await backend.observe():
            await backend.stop(replace(handle, stop=StopPolicy(grace_s=0)))
        await backend.purge(services)
        await backend.close()


async def start(backend: DockerBackend, wanted: Service, instance: str = "i1") -> Handle:
    return await backend.start(wanted, instance=instance, generation=2, bound={})


def run(story: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(DEADLINE_S):
            await story()

    asyncio.run(limited())


@contextlib.contextmanager
def asking() -> Any:
    client = connect()
    try:
        yield client
    finally:
        client.close()


def one_of(client: EngineClient, paths: ClusterPaths) -> dict[str, Any]:
    """The cluster's only container, as the engine describes it."""
    (row,) = client.containers.list([f"{labels.ROOT}={paths.root}"])
    return client.containers.inspect(row["Id"])


def docker(*words: str) -> None:
    subprocess.run(["docker", *words], check=True, capture_output=True)


def log_of(paths: ClusterPaths, name: str = "api") -> str:
    return (paths.logs / f"{name}.log").read_text()
