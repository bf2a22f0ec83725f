"""One server at a time on one data folder, also where the other's pid means nothing: real processes, no database."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from daybreak.backends.base import Handle, State
from daybreak.backends.process import claim, procfs
from daybreak.backends.process.backend import ProcessBackend
from daybreak.errors import DaybreakError, ServiceDied
from daybreak.paths import ClusterPaths
from daybreak.services.service import Prepare, Service, StopPolicy, Tier
from tests.helpers import until

# As in a container with the same state folder: what runs here cannot be seen there.
SECOND = """
import asyncio, sys
from pathlib import Path
from daybreak.backends.process.backend import ProcessBackend
from daybreak.errors import ServiceDied
from daybreak.paths import ClusterPaths
from daybreak.services.service import Service, Tier
root, runtime = map(Path, sys.argv[1:])
async def main():
    backend = ProcessBackend(ClusterPaths("it", root, runtime))
    print([str(handle.state) for handle in await backend.observe()])
    service = Service("postgres", Tier.DATA, ("sleep", "60"), "/", exclusive=True)
    await backend.start(service, instance="second", generation=1, bound={})
try:
    asyncio.run(main())
except ServiceDied as error:
    print(error.message)
"""


@pytest.fixture
def paths(tmp_path: Path) -> ClusterPaths:
    made = ClusterPaths("it", tmp_path / "state", tmp_path / "run")
    made.ensure()
    return made


@pytest.fixture
def service(tmp_path: Path) -> Service:
    """A server called postgres, which is found by this name and its folder."""
    (tmp_path / "data").mkdir()
    shutil.copy(shutil.which("sleep") or "", tmp_path / "postgres")
    return Service(
        name="postgres",
        tier=Tier.DATA,
        argv=("env", "-i", str(tmp_path / "postgres"), "60"),
        cwd=str(tmp_path / "data"),
        stop=StopPolicy(working_name="postgres", working_folder=str(tmp_path / "data")),
        prepare=(Prepare("init", ("true", "init"), str(tmp_path / "never")),),
        exclusive=True,
    )


async def start(paths: ClusterPaths, service: Service, instance: str) -> Handle:
    return await ProcessBackend(paths).start(service, instance=instance, generation=1, bound={})


@pytest.fixture
def running(paths: ClusterPaths, service: Service) -> Iterator[Handle]:
    """A server that another backend has started."""
    backend = ProcessBackend(paths)
    made = asyncio.run(backend.start(service, instance="first", generation=1, bound={}))
    # At first it is `env`, which becomes the server.
    until(lambda: (found := procfs.read(made.pid)) and found.comm == "postgres", what="the server has its name")
    yield made
    asyncio.run(backend.stop(made))


@pytest.fixture
def unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim, "_holders", lambda path: [])


@pytest.mark.usefixtures("running", "unseen")
def test_a_second_server_is_not_started_over_one_that_cannot_be_seen(paths: ClusterPaths, service: Service) -> None:
    with pytest.raises(ServiceDied, match="in use in another container, pid namespace or machine") as raised:
        asyncio.run(start(paths, service, "second"))
    assert str(paths.root / "postgres.lock") in (raised.value.hint or "")
    assert len(list(paths.records.glob("*.json"))) == 1


@pytest.mark.usefixtures("running", "unseen")
def test_data_that_is_used_is_neither_prepared_nor_deleted(paths: ClusterPaths, service: Service) -> None:
    kept = paths.data / "postgres"
    kept.mkdir()
    backend = ProcessBackend(paths)
    with pytest.raises(ServiceDied, match="in use"):
        asyncio.run(backend.run(service, service.prepare[0].argv, timeout_s=10.0))
    with pytest.raises(DaybreakError, match="postgres is not deleted: its data is in use"):
        asyncio.run(backend.purge(["redis", "postgres"]))
    assert kept.exists()
    # A check is no preparation.
    assert asyncio.run(backend.run(service, ("true",), timeout_s=10.0)).code == 0


def test_the_next_server_starts_when_the_first_has_ended(paths: ClusterPaths, service: Service) -> None:
    async def twice() -> None:
        backend = ProcessBackend(paths)
        for instance in ("first", "second"):
            handle = await backend.start(service, instance=instance, generation=1, bound={})
            await backend.stop(handle)
        await backend.purge(["postgres"])

    asyncio.run(twice())


@pytest.mark.usefixtures("running")
def test_what_a_killed_server_has_left_busy_is_ended(paths: ClusterPaths, service: Service) -> None:
    async def again() -> None:
        backend = ProcessBackend(paths)
        await backend.stop(await backend.start(service, instance="second", generation=1, bound={}))

    asyncio.run(again())


def test_a_server_that_lives_is_named_and_left_alone(paths: ClusterPaths, running: Handle, service: Service) -> None:
    other = replace(service, stop=StopPolicy())  # nothing tells that it has lost its server
    with pytest.raises(ServiceDied, match=rf"in use by postgres \(pid {running.pid}\)"):
        asyncio.run(claim.claim(paths.root / "postgres.lock", other, wait_s=0.1))
    assert procfs.alive(running.pid, running.started_ticks)


def test_a_record_of_another_pid_namespace_names_no_process_here(
    paths: ClusterPaths, running: Handle, service: Service
) -> None:
    record = next(paths.records.glob("*.json"))
    elsewhere = replace(running, namespace="pid:[1]", stop=StopPolicy())
    record.write_text(json.dumps(elsewhere.to_json()))

    async def stop() -> Handle:
        backend = ProcessBackend(paths)
        (found,) = await backend.observe()
        await backend.stop(found)
        return found

    assert asyncio.run(stop()).state is State.BROKEN
    assert procfs.alive(running.pid, running.started_ticks)


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="makes a pid namespace, as root")
@pytest.mark.usefixtures("running")
def test_in_another_pid_namespace(paths: ClusterPaths) -> None:
    words = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", SECOND]
    done = subprocess.run([*words, str(paths.root), str(paths.runtime)], check=True, capture_output=True, text=True)
    states, message = done.stdout.splitlines()
    assert states == "['broken']"
    assert message.startswith("postgres is not started: its data is in use in another container, pid namespace")
