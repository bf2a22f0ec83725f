"""Serve's HAProxy: its files are in the cluster's own folder, and one that is replaced lets go of the gateway."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from daybreak.backends.process import procfs
from daybreak.services.ray import haproxy
from daybreak.services.ray.addresses import port_names
from daybreak.services.ray.nodes import head
from daybreak.services.site import Site
from daybreak.spec.model import Spec
from tests.haproxy import PROGRAMS
from tests.helpers import eventually, free_ports, serving
from tests.unit.services.test_databases import SITE

SPEC = Spec.model_validate({"name": "shop", "serve": {"applications": [{"import_path": "app:main"}]}})
ROUTELESS = Spec.model_validate(
    {"name": "shop", "serve": {"applications": [{"import_path": "app:main", "route": None}]}}
)
WITH_HAPROXY = replace(
    SITE, ray=replace(SITE.ray, haproxy="/venv/haproxy"), ports=dict.fromkeys(port_names(SPEC), 1) | dict(SITE.ports)
)


def test_every_file_of_haproxy_is_in_the_cluster_s_own_folder() -> None:
    env = haproxy.env(SPEC, WITH_HAPROXY)
    files = {name: value for name, value in env.items() if value.startswith("/") and not name.endswith("BINARY_PATH")}
    assert len(files) == 5
    assert all(path.startswith(f"{SITE.runtime}/h") for path in files.values())
    assert "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH" in files


def test_serve_looks_after_its_own_proxy_as_often_as_after_haproxy() -> None:
    own = SPEC.model_copy(update={"serve": SPEC.serve.model_copy(update={"haproxy": False})})
    assert "RAY_SERVE_ENABLE_HA_PROXY" not in haproxy.env(own, WITH_HAPROXY)
    for spec in (SPEC, own):
        assert haproxy.env(spec, WITH_HAPROXY)["RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S"] == "1"


def test_what_earlier_heads_have_left_there_is_removed() -> None:
    service = head(SPEC, WITH_HAPROXY)
    assert f"{SITE.runtime}/h" in service.discard
    assert f"{SITE.runtime}/h" in service.folders


APPLICATION, NONE = "use_backend app if TRUE", "# None of them."
# As Ray writes it, as far as it matters here. Without the page of its own HAProxy would end where it has no other door.
CONFIG = """
defaults
    mode http
    timeout client 60s
    timeout connect 5s
    timeout server 60s
    option redispatch 1
    retry-on conn-failure
    balance roundrobin
    # A comment on option idle-close-on-response.
    option idle-close-on-response
frontend stats
    bind 127.0.0.1:{stats}
    stats enable
frontend grpc_frontend
    # A remark.
    # And another one.
    bind 127.0.0.1:{grpc}
    use_backend grpc_fallback_backend if {{ path /x }}
frontend http_frontend
    bind 127.0.0.1:{port}
    # ACLs for dispatch
    # and static use_backend selection below).
    http-request return status 200 if {{ path / }}
    {applications}
backend grpc_fallback_backend
backend app
    server dies 127.0.0.1:{dies}
    server lives 127.0.0.1:{lives}
"""


@contextlib.asynccontextmanager
async def started(
    folder: Path,
    binary: str,
    site: Site,
    replicas: tuple[int, int] = (1, 1),
    applications: str = APPLICATION,
    spec: Spec = SPEC,
) -> AsyncIterator[tuple[int, asyncio.subprocess.Process]]:
    """What Ray starts as HAProxy; its port. `replicas` are those of the two servers behind it."""
    port, stats, grpc = free_ports(3)
    ray = replace(site.ray, haproxy=binary, python=sys.executable)
    (file,) = haproxy.files(spec, replace(site, root=str(folder), ray=ray))
    program, config = folder / "haproxy", folder / "haproxy.cfg"
    program.write_text(file.text)
    told = {"dies": replicas[0], "lives": replicas[1], "applications": applications}
    config.write_text(CONFIG.format(port=port, stats=stats, grpc=grpc, **told))
    program.chmod(0o700)
    process = await asyncio.create_subprocess_exec(program, "-db", "-f", config)
    try:
        yield port, process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def written(folder: Path, config: str) -> subprocess.CompletedProcess[str]:
    """With a program in HAProxy's place that shows the configuration it was given."""
    shows = folder / "shows"
    shows.write_text('#!/bin/sh\ncat "$2"\n')
    shows.chmod(0o700)
    ray = replace(SITE.ray, haproxy=str(shows), python=sys.executable)
    ports = {**WITH_HAPROXY.ports, "head.haproxy_stats": 8404, "head.haproxy_metrics": 9101}
    (file,) = haproxy.files(SPEC, replace(WITH_HAPROXY, root=str(folder), ray=ray, ports=ports))
    program, place = folder / "haproxy", folder / "haproxy.cfg"
    program.write_text(file.text)
    program.chmod(0o700)
    place.write_text(config)
    return subprocess.run([program, "-f", place], check=False, capture_output=True, text=True, timeout=30)


@pytest.mark.parametrize("address", ["*:", ":", "0.0.0.0:", "[::]:", ":::", "ipv4@*:", "10.1.2.3:"])
def test_its_pages_are_open_to_nobody_else_whatever_ray_writes(tmp_path: Path, address: str) -> None:
    done = written(tmp_path, f"frontend stats\n    bind {address}8404 name x\n    bind *:8000\n    bind  *:84040\n")
    assert done.stdout == "frontend stats\n    bind 127.0.0.1:8404 name x\n    bind *:8000\n    bind  *:84040\n"


def test_where_that_cannot_be_seen_to_it_is_not_started(tmp_path: Path) -> None:
    done = written(tmp_path, "frontend stats\n    bind :9101,[::]:9101\n")
    assert done.returncode == 1
    assert "its pages would be open to others: bind 127.0.0.1:9101,[::]:9101" in done.stderr


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
    """The status of an answer; the connection stays."""
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    return int(head.split()[1])


async def connected(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """As soon as it listens."""
    while True:
        try:
            return await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.02)


async def statuses(port: int, method: str) -> set[int]:
    """Of some requests, each on a connection of its own."""
    found = set()
    for _ in range(4):
        reader, writer = await connected(port)
        writer.write(f"{method} /app HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode())
        found.add(int((await reader.read()).split()[1]))
        writer.close()
    return found


async def of_two_replicas_one_of_which_dies(folder: Path, binary: str, site: Site) -> dict[str, set[int]]:
    """How requests end, by method, where one of two replicas ends with whatever it has begun."""

    async def die(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await reader.read()

    async with (
        serving(die) as dies,
        serving(answer) as lives,
        started(folder, binary, site, (dies, lives)) as (port, _),
    ):
        return {method: await statuses(port, method) for method in ("GET", "POST", "DELETE")}


async def answered_after_it_was_replaced(folder: Path, binary: str, site: Site) -> bool:
    """Whether one that is to end takes another request on an idle connection."""
    async with started(folder, binary, site) as (port, process):
        reader, writer = await connected(port)
        assert await ask(reader, writer) == 200
        pinned = (folder / "haproxy.cfg.pinned").read_text()
        assert ("http_frontend\n    http-request reject if { stopping } !{ http_first_req }" in pinned) == bool(
            site.gateway
        )
        process.send_signal(signal.SIGUSR1)
        while True:
            try:
                _, other = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                break  # it listens no more
            other.close()
            await asyncio.sleep(0.02)
        try:
            return await ask(reader, writer) == 200
        except (OSError, asyncio.IncompleteReadError):
            return False
        finally:
            writer.close()


@pytest.mark.skipif(not PROGRAMS, reason="this machine has no HAProxy")
@pytest.mark.parametrize("binary", PROGRAMS)
@pytest.mark.parametrize("gateway", ["/bin/haproxy", ""])
def test_one_that_was_replaced_keeps_no_idle_connection_of_the_gateway(
    tmp_path: Path, binary: str, gateway: str
) -> None:
    """It knows the replicas of before; other clients' connections it closes with an answer, as Ray means it."""
    site = replace(WITH_HAPROXY, gateway=gateway)
    answered = asyncio.run(asyncio.wait_for(answered_after_it_was_replaced(tmp_path, binary, site), 60))
    assert answered == (not gateway)


@pytest.mark.skipif(not PROGRAMS, reason="this machine has no HAProxy")
@pytest.mark.parametrize("binary", PROGRAMS)
def test_what_a_replica_has_begun_and_may_be_sent_twice_is_answered_by_another_one(tmp_path: Path, binary: str) -> None:
    """Behind the gateway alone, which promises that; it would see an answer with status 500."""

    def found(gateway: str) -> dict[str, set[int]]:
        site = replace(WITH_HAPROXY, gateway=gateway)
        return asyncio.run(asyncio.wait_for(of_two_replicas_one_of_which_dies(tmp_path, binary, site), 60))

    assert found("/bin/haproxy") == {"GET": {200}, "POST": {200, 502}, "DELETE": {200}}
    assert found("")["GET"] == {200, 502}


async def listening(folder: Path, binary: str, site: Site, applications: Sequence[str], spec: Spec) -> list[bool]:
    """Whether each listens of those that replace one another, as what Ray writes tells them of these applications."""
    found, config = [], folder / "haproxy.cfg"
    async with started(folder, binary, site, applications=applications[0], spec=spec) as (port, first):
        processes = [first]
        for now in (*applications[1:], None):
            # It replaces itself by HAProxy when the file is whole.
            while not procfs.command_line(processes[-1].pid).startswith(binary):
                await asyncio.sleep(0.02)
            pinned = (folder / "haproxy.cfg.pinned").read_text()
            found.append(f"bind 127.0.0.1:{port}" in pinned)
            assert pinned.count("bind 127.0.0.1:") == 1 + 2 * found[-1]
            # It goes on, as Ray's does for its page, until it is replaced.
            assert processes[-1].returncode is None
            if found[-1]:
                _, writer = await connected(port)
                writer.close()
            if now is not None:
                told = applications[len(processes) - 1]
                config.write_text(config.read_text().replace(told, now))
                more = ("-sf", str(processes[-1].pid))
                processes.append(await asyncio.create_subprocess_exec(folder / "haproxy", "-db", "-f", config, *more))
        for process in processes[1:]:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return found


@pytest.mark.skipif(not PROGRAMS, reason="this machine has no HAProxy")
@pytest.mark.parametrize("binary", PROGRAMS)
@pytest.mark.parametrize(
    ("gateway", "routed", "listens"),
    [
        ("/bin/haproxy", True, [False, False, True, True]),
        # Ray has nothing else to tell where no application has a route.
        ("/bin/haproxy", False, [False, True, True, True]),
        ("", True, [True, True, True, True]),
    ],
)
def test_one_that_has_never_known_an_application_does_not_listen(
    tmp_path: Path, binary: str, gateway: str, *, routed: bool, listens: list[bool]
) -> None:
    """It would call itself well, and answer with 404 what waits in the gateway. Ray may start it once more to tell it
    of Serve's own proxy, before it tells it of applications; in the end they are taken away."""
    spec, site = SPEC if routed else ROUTELESS, replace(WITH_HAPROXY, gateway=gateway)
    told = [NONE, NONE, APPLICATION, NONE]
    assert asyncio.run(asyncio.wait_for(listening(tmp_path, binary, site, told, spec), 60)) == listens


def has_ended(pid: int) -> bool:
    """Also where nobody has collected it."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    return True


# As Serve's actor does, which dies with its raylet.
PARENT = """
import subprocess, sys
print(subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL).pid, flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(not PROGRAMS, reason="this machine has no HAProxy")
@pytest.mark.parametrize("binary", PROGRAMS)
@pytest.mark.parametrize("gateway", ["/bin/haproxy", ""])
def test_one_whose_parent_has_died_accepts_nothing_more_where_the_gateway_lets_requests_wait(
    tmp_path: Path, binary: str, gateway: str
) -> None:
    async def story() -> None:
        async with started(tmp_path, binary, replace(WITH_HAPROXY, gateway=gateway)) as (port, first):
            first.kill()
            await first.wait()
            words = (sys.executable, "-c", PARENT, tmp_path / "haproxy", "-db", "-f", tmp_path / "haproxy.cfg")
            pipe = asyncio.subprocess.PIPE
            parent = await asyncio.create_subprocess_exec(*words, stdin=pipe, stdout=pipe)
            assert parent.stdout
            pid = int(await parent.stdout.readline())
            try:
                reader, writer = await connected(port)
                assert await ask(reader, writer) == 200
                writer.close()
                parent.kill()
                await parent.wait()
                if gateway:
                    await eventually(lambda: has_ended(pid))
                    with pytest.raises(ConnectionRefusedError):
                        await asyncio.open_connection("127.0.0.1", port)
                else:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    asyncio.run(asyncio.wait_for(story(), 60))
