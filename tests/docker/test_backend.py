"""The docker backend with a real engine: what containers are made of, and what they leave alone."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from dataclasses import replace
from pathlib import Path

import pytest

from daybreak.backends.base import CommandResult, State
from daybreak.backends.docker.backend import DockerBackend
from daybreak.docker import labels
from daybreak.docker.api import EngineClient
from daybreak.errors import EngineError, ServiceDied
from daybreak.health.checks import attempt
from daybreak.health.verdict import Ready
from daybreak.paths import ClusterPaths
from daybreak.services.service import (
    ConfigFile,
    Container,
    Joined,
    Mount,
    MountKind,
    Network,
    Published,
    Secret,
    TcpCheck,
)
from tests.docker.helpers import BASE
from tests.docker.world import (
    ADDRESS,
    MIB,
    RUNS,
    SUBNET,
    asking,
    backend_of,
    log_of,
    one_of,
    run,
    service,
    start,
)
from tests.helpers import eventually


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
                client.containers.kill(found["Id"], "SIGKILL")
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
        assert client.containers.inspect(foreign)["State"]["Status"] == "created"
        assert client.networks.list(name=network.name)

    with asking() as client:
        foreign = client.containers.create({"Image": BASE, "Cmd": ["true"]}, "daybreak-backend-api-g2-aaaa")
        client.networks.create(network.name, SUBNET, {})
        try:
            run(lambda: story(client, foreign))
        finally:
            client.containers.remove(foreign)
            client.networks.remove(network.name)


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
            await eventually(lambda: "touched\n" in log_of(paths))
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


def test_volumes_outlive_their_containers_until_they_are_purged(paths: ClusterPaths) -> None:
    volume = f"daybreak-test-{time.time_ns():x}"
    mounts = {"mounts": (Mount(MountKind.VOLUME, "/data", volume),)}
    write = service("echo kept > /data/file; exec sleep 600", "db", container=mounts)
    read = service("cat /data/file", "db", container=mounts)

    async def story(client: EngineClient) -> None:
        async with backend_of(paths, "db") as backend:
            handle = await start(backend, write)
            assert client.volumes.inspect(volume)["Labels"][labels.ROOT] == str(paths.root)
            await backend.stop(handle)
            again = await start(backend, read, "i2")
            assert (await backend.exited(again)).clean
            assert log_of(paths, "db").endswith("kept\n")
            await backend.stop(again)
            await backend.purge(["another"])
            assert client.volumes.inspect(volume)
            await backend.purge(["db"])
            with pytest.raises(EngineError, match="no such volume"):
                client.volumes.inspect(volume)

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
            (made,) = client.networks.list(name=network.name)
            assert made["Labels"][labels.ROOT] == str(paths.root)
            for host, port in ((ADDRESS, 8080), ("10.211.78.12", 8080), ("127.0.0.1", 18765)):
                check = TcpCheck(host, port)
                while await attempt(check, wanted[0], backend, instance="s0", timeout_s=1) != Ready():
                    await asyncio.sleep(0.01)
            await asyncio.gather(*(backend.stop(handle) for handle in handles))
            await backend.purge([])
            assert client.networks.list(name=network.name) == []
            # Somebody removed it behind the backend's back: it is made anew.
            again = await start(backend, wanted[0])
            await backend.stop(again)
            client.networks.remove(network.name)
            await start(backend, wanted[0], "i3")

    with asking() as client:
        run(lambda: story(client))


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
