"""What every backend must do. The same tests run against all of them.

Each kind of backend brings a `Bench` that says how its services behave (run on, end with a code, ignore signals).
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from daybreak.backends.base import Backend, CommandResult, Exit, Handle, State
from daybreak.backends.docker.backend import DockerBackend
from daybreak.backends.fake import FakeBackend, Script
from daybreak.backends.process.backend import ProcessBackend
from daybreak.errors import ServiceDied
from daybreak.paths import ClusterPaths
from daybreak.services.service import Container, Network, Restart, Service, StopPolicy, Tier
from tests.docker.helpers import BASE, require_engine
from tests.helpers import DEADLINE_S, eventually

SUBNET = "10.211.77.0/24"
RUNS_ON = "import time; time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
)


@dataclass
class Bench:
    """One backend with services that behave as their names say."""

    backend: Backend
    again: Callable[[], Backend]
    service: Callable[[str], Service]
    close: Callable[[], Awaitable[None]] | None = None


def _service(name: str, code: str, cwd: Path, **rest: object) -> Service:
    return Service(name=name, tier=Tier.APP, argv=(sys.executable, "-c", code), cwd=str(cwd), **rest)  # type: ignore[arg-type]


def _ends(name: str) -> dict[str, Any]:
    """What a service that ends is made as: a one-shot, or one that is not started again."""
    return {"one_shot": name == "ends-0", "restart": Restart.ON_FAILURE if name == "once" else Restart.ALWAYS}


def cluster_paths(tmp_path: Path) -> ClusterPaths:
    made = ClusterPaths(name="contract", root=tmp_path / "state", runtime=tmp_path / "run")
    made.ensure()
    return made


def process_bench(tmp_path: Path) -> Bench:
    paths = cluster_paths(tmp_path)
    codes = {"runs": RUNS_ON, "deaf": STUBBORN, "ends-0": "pass", "once": "pass", "ends-3": "raise SystemExit(3)"}

    def service(name: str) -> Service:
        if name == "refuses":
            return Service(name=name, tier=Tier.APP, argv=("/no/such/program",), cwd=str(tmp_path))
        return _service(name, codes[name], tmp_path, **_ends(name))

    return Bench(ProcessBackend(paths), lambda: ProcessBackend(paths), service)


def fake_bench(tmp_path: Path) -> Bench:
    backend = FakeBackend(
        {
            "ends-0": Script(exits_after_s=0.0, code=0),
            "once": Script(exits_after_s=0.0, code=0),
            "ends-3": Script(exits_after_s=0.0, code=3),
            "refuses": Script(refuses=True),
            "runs": Script(commands={"false": CommandResult(1, ""), "sleep": CommandResult(124, "")}),
        }
    )
    return Bench(backend, lambda: backend, lambda name: _service(name, name, tmp_path, **_ends(name)))


def docker_bench(tmp_path: Path) -> Bench:
    require_engine()
    paths = cluster_paths(tmp_path)
    codes = {
        "runs": "exec sleep 600",
        "deaf": "trap '' TERM; echo deaf; while sleep 1; do :; done",
        "ends-0": "exit 0",
        "once": "exit 0",
        "ends-3": "exit 3",
        "refuses": "",
    }
    made: list[DockerBackend] = []

    def backend() -> DockerBackend:
        made.append(DockerBackend(paths))
        return made[-1]

    async def close() -> None:
        for one in made:
            await one.close()

    def service(name: str) -> Service:
        image = "daybreak-test/missing:1" if name == "refuses" else BASE
        argv = ("/bin/sh", "-c", codes[name])
        container = Container(image=image, network=Network(f"daybreak-contract-{tmp_path.name}", SUBNET))
        return Service(name, Tier.APP, argv, cwd="/", container=container, **_ends(name))

    return Bench(backend(), backend, service, close)


@pytest.fixture(
    params=[
        pytest.param(fake_bench, id="fake"),
        pytest.param(process_bench, id="process"),
        pytest.param(docker_bench, id="docker", marks=pytest.mark.docker),
    ]
)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    made: Bench = request.param(tmp_path)
    return made


@asynccontextmanager
async def started(bench: Bench, name: str, instance: str = "i1") -> AsyncIterator[Handle]:
    handle = await bench.backend.start(bench.service(name), instance=instance, generation=1, bound={"head": "h1"})
    try:
        yield handle
    finally:
        await bench.backend.stop(handle)


def run(story: Callable[[], Awaitable[None]], bench: Bench | None = None) -> None:
    async def limited() -> None:
        try:
            async with asyncio.timeout(DEADLINE_S):
                await story()
        finally:
            if bench is not None and bench.close is not None:
                await bench.close()

    asyncio.run(limited())


def test_what_was_started_is_observed_until_it_is_stopped(bench: Bench) -> None:
    async def story() -> None:
        async with started(bench, "runs") as handle:
            assert [found.instance for found in await bench.backend.observe()] == ["i1"]
            assert handle.fingerprint == bench.service("runs").fingerprint()
            assert handle.bound == {"head": "h1"}
        assert list(await bench.backend.observe()) == []

    run(story, bench)


def test_another_backend_object_finds_and_stops_it(bench: Bench) -> None:
    async def story() -> None:
        async with started(bench, "runs") as handle:
            other = bench.again()
            (found,) = await other.observe()
            assert (found.instance, found.pid, found.state) == (handle.instance, handle.pid, State.RUNNING)
            await other.stop(found)
            assert list(await bench.backend.observe()) == []

    run(story, bench)


def test_what_a_killed_keeper_was_ending_is_taken_for_no_service(bench: Bench, tmp_path: Path) -> None:
    """Half of its processes may be gone, and what is left looks as ever. The fake one ends everything at once."""
    if isinstance(bench.backend, FakeBackend):
        return

    async def story() -> None:
        service = replace(bench.service("deaf"), stop=StopPolicy(grace_s=60.0, left_behind_grace_s=0.1))
        handle = await bench.backend.start(service, instance="i1", generation=1, bound={})
        log = tmp_path / "state" / "logs" / "deaf.log"
        await eventually(lambda: "deaf" in log.read_text().splitlines())
        stopping = asyncio.create_task(bench.backend.stop(handle))
        other = bench.again()
        while (found := await other.observe()) and found[0].state is State.RUNNING:
            await asyncio.sleep(0.05)
        assert [(one.instance, one.state) for one in found] == [("i1", State.BROKEN)]
        await other.stop(found[0].left_behind())
        await stopping
        assert list(await other.observe()) == []
        # Another instance is none of its.
        async with started(bench, "runs", "i2"):
            assert [one.state for one in await other.observe()] == [State.RUNNING]

    run(story, bench)


def test_stopping_twice_is_no_error(bench: Bench) -> None:
    async def story() -> None:
        async with started(bench, "runs") as handle:
            await bench.backend.stop(handle)
            assert (await bench.backend.stop(handle)).killed == 0

    run(story, bench)


def test_an_end_by_itself_is_told_with_its_code_and_leaves_a_broken_instance(bench: Bench) -> None:
    async def story() -> None:
        async with started(bench, "ends-3") as handle:
            assert await bench.backend.exited(handle) == Exit(3, "exited with code 3")
            assert [found.state for found in await bench.backend.observe()] == [State.BROKEN]

    run(story, bench)


@pytest.mark.parametrize("name", ["ends-0", "once"])
def test_what_may_end_and_ended_well_is_completed(bench: Bench, name: str) -> None:
    async def story() -> None:
        async with started(bench, name) as handle:
            assert (await bench.backend.exited(handle)).clean
            assert [found.state for found in await bench.backend.observe()] == [State.COMPLETED]

    run(story, bench)


def test_a_start_that_is_refused_raises_and_leaves_nothing(bench: Bench) -> None:
    async def story() -> None:
        with pytest.raises(ServiceDied, match="refuses could not be started"):
            await bench.backend.start(bench.service("refuses"), instance="i1", generation=1, bound={})
        assert list(await bench.backend.observe()) == []

    run(story, bench)


def test_commands_answer_with_their_code_and_never_outlive_their_deadline(bench: Bench) -> None:
    async def story() -> None:
        service = bench.service("runs")
        async with started(bench, "runs"):
            assert (await bench.backend.run(service, ("true",), timeout_s=DEADLINE_S)).code == 0
            assert (await bench.backend.run(service, ("false",), timeout_s=DEADLINE_S)).code == 1
            assert (await bench.backend.run(service, ("sleep", "60"), timeout_s=0.5)).code == 124

    run(story, bench)


def test_a_process_that_ignores_its_signal_is_killed_after_the_grace(tmp_path: Path) -> None:
    paths = cluster_paths(tmp_path)
    backend = ProcessBackend(paths)
    # It has a child in a session of its own, which only its marker tells.
    child = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {RUNS_ON!r}], start_new_session=True)"
    code = f"{child}; {STUBBORN}"
    service = _service("deaf", code, tmp_path, stop=StopPolicy(grace_s=0.3))

    async def story() -> None:
        handle = await backend.start(service, instance="i1", generation=1, bound={})
        log = paths.logs / "deaf.log"
        await eventually(lambda: "deaf\n" in log.read_text())
        stopped = await backend.stop(handle)
        assert stopped.killed >= 1
        assert list(await backend.observe()) == []

    run(story)


def test_processes_whose_start_was_never_recorded_are_found_by_their_marker(tmp_path: Path) -> None:
    paths = cluster_paths(tmp_path)
    backend = ProcessBackend(paths)

    async def story() -> None:
        handle = await backend.start(_service("runs", RUNS_ON, tmp_path), instance="i1", generation=1, bound={})
        for record in paths.records.glob("*.json"):
            record.unlink()
        (found,) = await ProcessBackend(paths).observe()
        assert (found.service, found.instance, found.state) == ("runs", "i1", State.BROKEN)
        await backend.stop(found)
        assert list(await backend.observe()) == []
        await backend.exited(handle)

    run(story)


def test_a_record_from_before_a_reboot_or_for_another_process_is_not_believed(tmp_path: Path) -> None:
    paths = cluster_paths(tmp_path)
    backend = ProcessBackend(paths)

    async def story() -> None:
        handle = await backend.start(_service("runs", RUNS_ON, tmp_path), instance="i1", generation=1, bound={})
        record = next(paths.records.glob("*.json"))
        text = record.read_text()
        await backend.stop(handle)
        record.write_text(text.replace(handle.boot_id, "another-boot"))
        assert list(await backend.observe()) == []
        assert not record.exists()
        record.write_text(text)  # the same boot, but that pid is gone or somebody else's
        assert [found.state for found in await backend.observe()] == [State.BROKEN]
        record.write_text("{ not json")
        assert list(await backend.observe()) == []

    run(story)
