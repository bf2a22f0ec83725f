"""An engine that is stopped and started again under the backend: one of its own, since others use the machine's."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from daybreak.backends.docker.backend import DockerBackend
from daybreak.docker.connect import connect
from daybreak.docker.docker_cli import Client
from daybreak.errors import EngineError
from daybreak.paths import ClusterPaths
from daybreak.services.service import Container, Service, Tier
from tests.docker.helpers import BASE
from tests.docker.world import log_of, start
from tests.helpers import eventually

DEADLINE_S = 60.0
BRIDGE, ADDRESS = "daybreak-test0", "10.211.79.1/24"


class OwnEngine:
    """A `dockerd` with folders, a socket, containers and a bridge of its own: without a bridge it would delete docker0,
    which belongs to the machine's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.socket = folder / "s"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        places = {"data-root": "data", "exec-root": "exec", "pidfile": "pid"}
        words = [f"--{option}={self._folder / name}" for option, name in places.items()]
        with open(self._folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                ["dockerd", *words, f"--host=unix://{self.socket}", f"--bridge={BRIDGE}", "--iptables=false"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + DEADLINE_S
        while True:
            with suppress(EngineError):
                connect(5.0).close()
                return
            assert self._process.poll() is None, (self._folder / "log").read_text()[-2000:]
            assert time.monotonic() < deadline, (self._folder / "log").read_text()[-2000:]
            time.sleep(0.1)

    def stop(self) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait(DEADLINE_S)
            self._process = None
            # It leaves the network of the machine mounted there, and nobody could delete the folder.
            for place in (self._folder / "exec" / "netns").glob("*"):
                subprocess.run(["umount", place], check=False, capture_output=True)


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@pytest.fixture
def own(
    engine: Client, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[OwnEngine]:
    """With the base image."""
    if os.geteuid() or not shutil.which("dockerd"):
        pytest.skip("only root can start an engine")
    folder = tmp_path_factory.mktemp("engine")
    made = OwnEngine(folder)
    image = folder / "image.tar"
    engine.ask("save", "--output", str(image), BASE)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{made.socket}")
    ip("link", "add", BRIDGE, "type", "bridge")
    try:
        ip("address", "add", ADDRESS, "dev", BRIDGE)
        made.start()
        engine.ask("load", "--input", str(image))
        yield made
    finally:
        made.stop()
        ip("link", "delete", BRIDGE)


# Docker's package leaves sockets that could not be connected to the garbage collection.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_what_ran_has_ended_and_all_goes_on_when_the_engine_is_back(own: OwnEngine, tmp_path: Path) -> None:
    paths = ClusterPaths(name="away", root=tmp_path / "state", runtime=tmp_path / "run")
    paths.ensure()
    script = "echo here; exec sleep 600"
    service = Service("api", Tier.APP, ("/bin/sh", "-c", script), cwd="/", container=Container(BASE, entrypoint=()))

    async def story() -> None:
        backend = DockerBackend(paths)
        first = await start(backend, service)
        await eventually(lambda: "here" in log_of(paths))
        ended = asyncio.ensure_future(backend.exited(first))
        await asyncio.to_thread(own.stop)
        with pytest.raises(EngineError):
            await backend.observe()
        with pytest.raises(EngineError):
            await backend.stop(first)
        await asyncio.to_thread(own.start)
        # The end was told before the engine went, or is found now that it is back.
        assert not (await ended).clean
        await backend.stop(first)
        second = await start(backend, service, "i2")
        await eventually(lambda: log_of(paths).count("here") == 2)
        assert [handle.instance for handle in await backend.observe()] == ["i2"]
        end = asyncio.ensure_future(backend.exited(second))
        await backend.stop(second)
        await end
        await backend.close()

    async def limited() -> None:
        async with asyncio.timeout(2 * DEADLINE_S):
            await story()

    asyncio.run(limited())
    gc.collect()
