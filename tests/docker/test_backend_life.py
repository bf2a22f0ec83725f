"""The docker backend with a real engine: ends, output, commands and stops, through whatever breaks."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from pathlib import Path

import pytest

from daybreak.backends.base import State
from daybreak.backends.docker.backend import DockerBackend
from daybreak.docker import refusals
from daybreak.docker.api import EngineClient
from daybreak.health.checks import attempt
from daybreak.health.verdict import Ready
from daybreak.paths import ClusterPaths
from daybreak.services.service import EngineHealthCheck, HealthPolicy, StopPolicy
from tests.docker.helpers import BASE
from tests.docker.world import (
    DEADLINE_S,
    RUNS,
    asking,
    backend_of,
    docker,
    log_of,
    one_of,
    run,
    service,
    start,
)
from tests.helpers import eventually


def test_output_is_there_once_and_whole_across_keepers(paths: ClusterPaths) -> None:
    script = """
for number in $(seq 300); do echo "line $number"; sleep 0.005; done; printf 'x%.0s' $(seq 40000); echo; printf 'the end'
"""

    async def story() -> None:
        async with backend_of(paths) as backend:
            first = DockerBackend(paths)
            handle = await start(first, service(script))
            await eventually(lambda: "line 60\n" in log_of(paths))
            await first.close()  # a keeper that ends, and the next one
            second = DockerBackend(paths)
            await second.observe()
            await eventually(lambda: "line 160\n" in log_of(paths))
            await second.close()
            await backend.observe()
            assert (await backend.exited(handle)).clean
            lines = log_of(paths).splitlines()
            assert "daybreak: starting api (instance i1)" in lines[0]
            assert lines[1:] == [f"line {n}" for n in range(1, 301)] + ["x" * 40000, "the end"]
            await backend.stop(handle)
            assert list(paths.output.iterdir()) == []

    run(story)


KEEPER = """
import asyncio, sys
from pathlib import Path
from daybreak.backends.docker.backend import DockerBackend
from daybreak.paths import ClusterPaths
from daybreak.services.service import Container, Service, Tier

async def keep():
    backend = DockerBackend(ClusterPaths("backend", Path(sys.argv[1]), Path(sys.argv[2])))
    wanted = Service("api", Tier.APP, ("/bin/sh", "-c", sys.argv[4]), "/", container=Container(sys.argv[3]))
    await backend.start(wanted, instance="i1", generation=1, bound={})
    await asyncio.sleep(600)

asyncio.run(keep())
"""


def test_what_a_killed_keeper_had_started_is_adopted(paths: ClusterPaths) -> None:
    script = """
for number in $(seq 50); do echo line $number; sleep 0.01; done
until [ -e /tmp/go ]; do sleep 0.05; done
for number in $(seq 51 100); do echo line $number; sleep 0.01; done; exit 7
"""
    words = [sys.executable, "-c", KEEPER, str(paths.root), str(paths.runtime), BASE, script]

    async def story() -> None:
        async with backend_of(paths) as backend:
            keeper = await asyncio.create_subprocess_exec(*words)
            await eventually(lambda: (paths.logs / "api.log").exists() and "line 20\n" in log_of(paths))
            keeper.kill()
            await keeper.wait()
            (handle,) = await backend.observe()
            assert handle.state is State.RUNNING
            assert (await backend.run(service(script), ("touch", "/tmp/go"), timeout_s=DEADLINE_S)).code == 0
            assert (await backend.exited(handle)).code == 7
            assert log_of(paths).splitlines()[1:] == [f"line {n}" for n in range(1, 101)]

    run(story)


def test_an_end_is_told_and_no_line_is_lost_while_the_connections_break(
    paths: ClusterPaths, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """All that is open is cut, and cut again, as by an engine that is restarted."""
    script = "for number in $(seq 150); do echo line $number; sleep 0.02; done; exit 7"

    async def story() -> None:
        async with Cutter(tmp_path / "cut.sock") as cutter:
            monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/cut.sock")
            async with backend_of(paths) as backend:
                handle = await start(backend, service(script))
                ending = asyncio.ensure_future(backend.exited(handle))
                for number in (20, 60):
                    await eventually(lambda number=number: f"line {number}\n" in log_of(paths))  # type: ignore[misc]
                    cutter.cut()
                    assert not ending.done()
                await eventually(lambda: "line 140\n" in log_of(paths))
                cutter.cut(refuse_s=0.5)
                assert (await ending).code == 7
                await eventually(lambda: "line 150\n" in log_of(paths))
                assert log_of(paths).splitlines()[1:] == [f"line {n}" for n in range(1, 151)]

    run(story)


class Cutter:
    """A door to the engine whose connections can be cut."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open: set[asyncio.StreamWriter] = set()
        self._refuse_until = 0.0

    async def __aenter__(self) -> Cutter:
        self._server = await asyncio.start_unix_server(self._serve, self._path)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()

    def cut(self, refuse_s: float = 0.0) -> None:
        self._refuse_until = time.monotonic() + refuse_s
        for writer in self._open:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if time.monotonic() < self._refuse_until:
            writer.transport.abort()
            return
        above, below = await asyncio.open_unix_connection(refusals.SOCKET)
        self._open |= {writer, below}
        await asyncio.gather(_pass(reader, below), _pass(above, writer))
        self._open -= {writer, below}


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while some := await reader.read(65536):
            writer.write(some)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()


def test_stopping_follows_the_policy_and_takes_a_paused_one_too(paths: ClusterPaths) -> None:
    deaf = "trap '' TERM; echo deaf; while :; do sleep 1; done"
    polite = "trap 'echo bye; exit 0' INT; echo up; while :; do sleep 0.01; done"

    async def story(client: EngineClient) -> None:
        async with backend_of(paths) as backend:
            handle = await start(backend, service(deaf, stop=StopPolicy(grace_s=0.3)))
            await eventually(lambda: "deaf\n" in log_of(paths))
            stopped = await backend.stop(handle)
            assert stopped.killed == 1
            assert stopped.after_s >= 0.3
            handle = await start(backend, service(polite, stop=StopPolicy(signal="SIGINT", grace_s=10_000)), "i2")
            await eventually(lambda: "up\n" in log_of(paths))
            stopped = await backend.stop(handle)
            assert (stopped.killed, log_of(paths).endswith("bye\n")) == (0, True)
            handle = await start(backend, service("exec sleep 600"), "i3")
            await asyncio.to_thread(docker, "pause", one_of(client, paths)["Id"])
            assert [one.state for one in await backend.observe()] == [State.RUNNING]
            assert (await backend.stop(handle)).killed == 0
            assert list(await backend.observe()) == []

    with asking() as client:
        run(lambda: story(client))


def test_what_was_made_but_never_ran_is_found(paths: ClusterPaths) -> None:
    async def story(client: EngineClient) -> None:
        async with backend_of(paths) as backend:
            handle = await start(backend, service(RUNS))
            found = one_of(client, paths)
            await backend.stop(handle)
            client.containers.create({"Image": BASE, "Labels": found["Config"]["Labels"]}, found["Name"].strip("/"))
            (half,) = await backend.observe()
            assert half == handle.in_state(State.BROKEN)
            await backend.stop(half)
            assert list(await backend.observe()) == []

    with asking() as client:
        run(lambda: story(client))


def test_a_start_that_nobody_waits_for_any_more_leaves_nothing(paths: ClusterPaths) -> None:
    async def story() -> None:
        async with backend_of(paths) as backend:
            await backend.observe()
            starting = asyncio.ensure_future(start(backend, service(RUNS)))
            await asyncio.sleep(0.02)
            starting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await starting
            assert list(await backend.observe()) == []

    run(story)


@pytest.mark.parametrize("permitted", [True, False], ids=["from outside", "from inside"])
def test_a_command_that_is_late_is_ended_in_the_container(
    paths: ClusterPaths, monkeypatch: pytest.MonkeyPatch, permitted: bool
) -> None:
    each = "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; echo; done 2>/dev/null"
    count = f"{each} | grep -c '^sleep 4321'"

    def refuse(group: int, number: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    if not permitted:
        monkeypatch.setattr(os, "killpg", refuse)

    async def story() -> None:
        async with backend_of(paths) as backend:
            wanted = service(RUNS)
            await start(backend, wanted)
            late = await backend.run(wanted, ("/bin/sh", "-c", "sleep 4321; echo"), timeout_s=0.4)
            assert late.code == 124
            # Who was killed has ended when it has had its turn once more.
            while (await backend.run(wanted, ("/bin/sh", "-c", count), timeout_s=10)).output != "0":
                await asyncio.sleep(0.05)
            assert (await backend.run(wanted, ("/no/such",), timeout_s=10)).code in (126, 127)

    run(story)


def test_the_engines_own_check_can_be_a_gate(paths: ClusterPaths) -> None:
    policy = HealthPolicy(interval_s=0.1, start_period_s=0.1, retries=1)
    wanted = service(RUNS, container={"health": ("test", "-e", "/tmp/up")}, health=policy)

    async def story() -> None:
        async with backend_of(paths) as backend:
            handle = await start(backend, wanted)
            check = EngineHealthCheck()
            assert await attempt(check, wanted, backend, instance=handle.instance, timeout_s=5) != Ready()
            assert (await backend.run(wanted, ("touch", "/tmp/up"), timeout_s=DEADLINE_S)).code == 0
            while await attempt(check, wanted, backend, instance=handle.instance, timeout_s=5) != Ready():
                await asyncio.sleep(0.01)
            later = DockerBackend(paths)
            assert await later.health(handle.instance) == "healthy"
            await later.close()

    run(story)
