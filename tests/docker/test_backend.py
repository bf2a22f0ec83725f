"""The docker backend with a real engine: what the contract suite, which it passes too, cannot ask of every backend."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daybreak.backends.base import CommandResult, Handle, State
from daybreak.backends.docker import DockerBackend
from daybreak.engine import labels, refusals
from daybreak.engine.client import EngineClient
from daybreak.engine.connect import connect
from daybreak.errors import EngineError, ServiceDied
from daybreak.health.checks import Ready, attempt
from daybreak.paths import ClusterPaths
from daybreak.services.base import (
    ConfigFile,
    Container,
    EngineHealthCheck,
    HealthPolicy,
    Joined,
    Mount,
    MountKind,
    Network,
    Published,
    Secret,
    Service,
    StopPolicy,
    TcpCheck,
    Tier,
)
from tests.docker.helpers import BASE, require_engine

SUBNET = "10.211.78.0/24"
ADDRESS = "10.211.78.9"
DEADLINE_S = 60.0
MIB = 1024 * 1024
RUNS = "exec sleep 600"


@pytest.fixture(scope="module", autouse=True)
def engine() -> None:
    require_engine()


@pytest.fixture
def paths(tmp_path: Path) -> ClusterPaths:
    made = ClusterPaths(name="backend", root=tmp_path / "state", runtime=tmp_path / "run")
    made.ensure()
    return made


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
    (row,) = client.containers([f"{labels.ROOT}={paths.root}"])
    return client.inspect(row["Id"])


def docker(*words: str) -> None:
    subprocess.run(["docker", *words], check=True, capture_output=True)


def log_of(paths: ClusterPaths, name: str = "api") -> str:
    return (paths.logs / f"{name}.log").read_text()


async def until(there: Callable[[], bool]) -> None:
    """Look until it is so; the story has a deadline."""
    while not there():
        await asyncio.sleep(0.01)


def test_labels_are_all_that_is_needed_to_adopt(paths: ClusterPaths) -> None:
    async def story() -> None:
        async with backend_of(paths) as backend:
            handle = await backend.start(service(RUNS), instance="i1", generation=2, bound={"head": "h1"})
            later = DockerBackend(paths)
            assert list(await later.observe()) == [handle]
            with asking() as client:
                found = one_of(client, paths)
                assert found["Name"].startswith("/daybreak-backend-api-g2-")
                assert found["HostConfig"]["RestartPolicy"]["Name"] == "no"
                # Its end is told to a backend that did not start it.
                ending = asyncio.ensure_future(later.exited(handle))
                client.kill(found["Id"], "SIGKILL")
            assert (await ending).reason == "exited with code 137 (SIGKILL)"
            assert [one.state for one in await later.observe()] == [State.BROKEN]
            await later.close()

    run(story)


def test_a_cluster_of_the_same_name_in_another_home_is_another_one(paths: ClusterPaths, tmp_path: Path) -> None:
    other = ClusterPaths(name=paths.name, root=tmp_path / "other", runtime=tmp_path / "run2")
    other.ensure()

    async def story() -> None:
        async with backend_of(paths) as backend, backend_of(other) as stranger:
            await start(backend, service(RUNS))
            assert list(await stranger.observe()) == []
            assert (await stranger.run(service(RUNS), ("true",), timeout_s=5)).code == 127

    run(story)


def test_what_others_have_under_the_same_names_is_left_alone(
    paths: ClusterPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    suffixes = iter(("aaaa", "bbbb"))
    monkeypatch.setattr(secrets, "token_hex", lambda n: next(suffixes))
    network = Network("daybreak-test-foreign", SUBNET)
    wanted = service(RUNS, container={"network": network})

    async def story(client: EngineClient, foreign: str) -> None:
        async with backend_of(paths) as backend:
            await start(backend, service(RUNS))
            assert one_of(client, paths)["Name"] == "/daybreak-backend-api-g2-bbbb"
            with pytest.raises(ServiceDied, match="a network daybreak-test-foreign already, and it was not made by"):
                await start(backend, wanted, "i2")
        assert client.inspect(foreign)["State"]["Status"] == "created"
        assert client.networks(name=network.name)

    with asking() as client:
        foreign = client.create({"Image": BASE, "Cmd": ["true"]}, "daybreak-backend-api-g2-aaaa")
        client.create_network(network.name, SUBNET, {})
        try:
            run(lambda: story(client, foreign))
        finally:
            client.remove(foreign)
            client.remove_network(network.name)


def test_secrets_are_in_no_listing_and_files_belong_to_the_user(paths: ClusterPaths, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("open-sesame\n")
    secret = Secret(str(tmp_path / "secret"))
    show = """
echo "password $PASSWORD"; id -u; stat -c '%a %u' /run/daybreak /run/daybreak/env/PASSWORD /run/key /etc/own/api.conf
cat /etc/own/api.conf; touch /srv/api/mine && echo touched; exec sleep 600
"""
    wanted = service(
        show,
        container={"user": "1234", "uid": 1234, "secrets": {"/run/key": secret}},
        env={"PASSWORD": secret, "PATH": Joined("/ours", ":")},
        files=(ConfigFile("/etc/own/api.conf", "instance @INSTANCE@\n"),),
        folders=("/srv/api",),
    )

    async def story() -> None:
        async with backend_of(paths) as backend:
            await start(backend, wanted)
            await until(lambda: "touched\n" in log_of(paths))
            shown = log_of(paths).splitlines()[1:]
            modes = ["755 0", "400 1234", "400 1234", "600 1234"]
            assert shown == ["password open-sesame", "1234", *modes, "instance i1", "touched"]
            with asking() as client:
                found = one_of(client, paths)
            assert "open-sesame" not in json.dumps(found)
            assert any(line.startswith("PATH=/ours:/usr/local/") for line in found["Config"]["Env"])
            told = await backend.run(wanted, ("/bin/sh", "-c", "echo $PASSWORD"), timeout_s=10)
            assert told == CommandResult(0, "open-sesame")

    run(story)


@pytest.mark.parametrize(
    ("script", "code", "reason"),
    [
        ("exec python3 -c 'bytearray(200 << 20)'", 137, "ran out of memory (limit 32 MiB)"),
        (
            "python3 -c 'bytearray(200 << 20)'; exit 4",
            4,
            "exited with code 4 after a process in it ran out of memory (limit 32 MiB)",
        ),
    ],
    ids=["itself", "a child"],
)
def test_lack_of_memory_is_told_as_such(paths: ClusterPaths, script: str, code: int, reason: str) -> None:
    async def story() -> None:
        async with backend_of(paths) as backend:
            handle = await start(backend, service(script, container={"memory_bytes": 32 * MIB}))
            end = await backend.exited(handle)
            assert (end.code, end.reason) == (code, reason)
            # A keeper that was not there says the same.
            later = DockerBackend(paths)
            assert await later.exited(handle) == end
            await later.close()

    run(story)


def test_output_is_there_once_and_whole_across_keepers(paths: ClusterPaths) -> None:
    script = """
for number in $(seq 300); do echo "line $number"; sleep 0.005; done; printf 'x%.0s' $(seq 40000); echo; printf 'the end'
"""

    async def story() -> None:
        async with backend_of(paths) as backend:
            first = DockerBackend(paths)
            handle = await start(first, service(script))
            await until(lambda: "line 60\n" in log_of(paths))
            await first.close()  # a keeper that ends, and the next one
            second = DockerBackend(paths)
            await second.observe()
            await until(lambda: "line 160\n" in log_of(paths))
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
from daybreak.backends.docker import DockerBackend
from daybreak.paths import ClusterPaths
from daybreak.services.base import Container, Service, Tier

async def keep():
    backend = DockerBackend(ClusterPaths("backend", Path(sys.argv[1]), Path(sys.argv[2])))
    wanted = Service("api", Tier.APP, ("/bin/sh", "-c", sys.argv[4]), "/", container=Container(sys.argv[3]))
    await backend.start(wanted, instance="i1", generation=1, bound={})
    await asyncio.sleep(600)

asyncio.run(keep())
"""


def test_what_a_killed_keeper_had_started_is_adopted(paths: ClusterPaths) -> None:
    script = "for number in $(seq 100); do echo line $number; sleep 0.01; done; exit 7"
    words = [sys.executable, "-c", KEEPER, str(paths.root), str(paths.runtime), BASE, script]

    async def story() -> None:
        async with backend_of(paths) as backend:
            keeper = await asyncio.create_subprocess_exec(*words)
            await until(lambda: (paths.logs / "api.log").exists() and "line 20\n" in log_of(paths))
            keeper.kill()
            await keeper.wait()
            (handle,) = await backend.observe()
            assert handle.state is State.RUNNING
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
                    await until(lambda number=number: f"line {number}\n" in log_of(paths))  # type: ignore[misc]
                    cutter.cut()
                    assert not ending.done()
                await until(lambda: "line 140\n" in log_of(paths))
                cutter.cut(refuse_s=0.5)
                assert (await ending).code == 7
                await until(lambda: "line 150\n" in log_of(paths))
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


def test_volumes_outlive_their_containers_until_they_are_purged(paths: ClusterPaths) -> None:
    volume = f"daybreak-test-{time.time_ns():x}"
    mounts = {"mounts": (Mount(MountKind.VOLUME, "/data", volume),)}
    write = service("echo kept > /data/file; exec sleep 600", "db", container=mounts)
    read = service("cat /data/file", "db", container=mounts)

    async def story(client: EngineClient) -> None:
        async with backend_of(paths, "db") as backend:
            handle = await start(backend, write)
            assert client.volume(volume)["Labels"][labels.ROOT] == str(paths.root)
            await backend.stop(handle)
            again = await start(backend, read, "i2")
            assert (await backend.exited(again)).clean
            assert log_of(paths, "db").endswith("kept\n")
            await backend.stop(again)
            await backend.purge(["another"])
            assert client.volume(volume)
            await backend.purge(["db"])
            with pytest.raises(EngineError, match="no such volume"):
                client.volume(volume)

    with asking() as client:
        run(lambda: story(client))


def test_a_volume_of_another_cluster_is_refused(paths: ClusterPaths, tmp_path: Path) -> None:
    volume = f"daybreak-test-{time.time_ns():x}"
    other = ClusterPaths(name=paths.name, root=tmp_path / "other", runtime=tmp_path / "run2")
    other.ensure()
    wanted = service(RUNS, "db", container={"mounts": (Mount(MountKind.VOLUME, "/data", volume),)})

    async def story() -> None:
        async with backend_of(paths, "db") as backend, backend_of(other, "db") as stranger:
            await start(backend, wanted)
            with pytest.raises(ServiceDied, match=rf"volume {volume} already, and it belongs to the cluster at"):
                await start(stranger, wanted, "i2")

    run(story)


def test_many_start_at_once_in_one_network_that_goes_with_the_last(paths: ClusterPaths) -> None:
    network = Network("daybreak-test-many", SUBNET)
    serve = "exec python3 -m http.server 8080"
    wanted = [
        service(serve, f"s{n}", container={"network": network, "address": f"10.211.78.{9 + n}"}) for n in range(4)
    ]
    door = replace(wanted[0].container, published=(Published("127.0.0.1", 18765, 8080),))  # type: ignore[type-var]
    wanted[0] = replace(wanted[0], container=door)

    async def story(client: EngineClient) -> None:
        async with backend_of(paths) as backend:
            handles = await asyncio.gather(*(start(backend, one, one.name) for one in wanted))
            (made,) = client.networks(name=network.name)
            assert made["Labels"][labels.ROOT] == str(paths.root)
            for host, port in ((ADDRESS, 8080), ("10.211.78.12", 8080), ("127.0.0.1", 18765)):
                check = TcpCheck(host, port)
                while await attempt(check, wanted[0], backend, instance="s0", timeout_s=1) != Ready():
                    await asyncio.sleep(0.01)
            await asyncio.gather(*(backend.stop(handle) for handle in handles))
            await backend.purge([])
            assert client.networks(name=network.name) == []
            # Somebody removed it behind the backend's back: it is made anew.
            again = await start(backend, wanted[0])
            await backend.stop(again)
            client.remove_network(network.name)
            await start(backend, wanted[0], "i3")

    with asking() as client:
        run(lambda: story(client))


def test_stopping_follows_the_policy_and_takes_a_paused_one_too(paths: ClusterPaths) -> None:
    deaf = "trap '' TERM; echo deaf; while :; do sleep 1; done"
    polite = "trap 'echo bye; exit 0' INT; echo up; while :; do sleep 0.01; done"

    async def story(client: EngineClient) -> None:
        async with backend_of(paths) as backend:
            handle = await start(backend, service(deaf, stop=StopPolicy(grace_s=0.3)))
            await until(lambda: "deaf\n" in log_of(paths))
            stopped = await backend.stop(handle)
            assert stopped.killed == 1
            assert stopped.after_s >= 0.3
            handle = await start(backend, service(polite, stop=StopPolicy(signal="SIGINT", grace_s=20)), "i2")
            await until(lambda: "up\n" in log_of(paths))
            stopped = await backend.stop(handle)
            assert (stopped.killed, log_of(paths).endswith("bye\n")) == (0, True)
            assert stopped.after_s < 10
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
            client.create({"Image": BASE, "Labels": found["Config"]["Labels"]}, found["Name"].strip("/"))
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


def test_why_a_start_is_refused_is_said_in_a_sentence(paths: ClusterPaths, tmp_path: Path) -> None:
    taken = {"network": Network("daybreak-test-taken", SUBNET), "published": (Published("127.0.0.1", 18766, 80),)}

    async def story() -> None:
        async with backend_of(paths) as backend:
            with pytest.raises(ServiceDied, match="there is no image daybreak-test/none:1") as told:
                await start(backend, replace(service(RUNS), container=Container("daybreak-test/none:1")))
            assert told.value.hint == "docker pull daybreak-test/none:1"
            missing = service(RUNS, container={"secrets": {"/run/key": Secret(f"{tmp_path}/none")}})
            with pytest.raises(ServiceDied, match=f"{tmp_path}/none: No such file"):
                await start(backend, missing)
            await start(backend, service(RUNS, container=taken))
            with pytest.raises(ServiceDied, match="18766 failed: port is already allocated"):
                await start(backend, service(RUNS, container=taken), "i2")
            assert [handle.instance for handle in await backend.observe()] == ["i1"]

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
            assert (await backend.run(wanted, ("/bin/sh", "-c", count), timeout_s=10)).output == "0"
            assert (await backend.run(wanted, ("/no/such",), timeout_s=10)).code in (126, 127)

    run(story)


def test_the_engines_own_check_can_be_a_gate(paths: ClusterPaths) -> None:
    policy = HealthPolicy(interval_s=0.1, start_period_s=0.1, retries=1)
    wanted = service(
        "sleep 0.3; touch /tmp/up; exec sleep 600", container={"health": ("test", "-e", "/tmp/up")}, health=policy
    )

    async def story() -> None:
        async with backend_of(paths) as backend:
            handle = await start(backend, wanted)
            check = EngineHealthCheck()
            seen = set()
            while (verdict := await attempt(check, wanted, backend, instance=handle.instance, timeout_s=5)) != Ready():
                seen.add(str(verdict))
                await asyncio.sleep(0.01)
            assert seen
            later = DockerBackend(paths)
            assert await later.health(handle.instance) == "healthy"
            await later.close()

    run(story)
