"""Where services run: each goes to the backend that it is made for; a cluster does not change its place under way."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from daybreak.backends.base import CommandResult, Exit, Handle, State, Stopped
from daybreak.errors import EngineError, KeeperError, PreflightError
from daybreak.keeper.backends.both_backends import DOCKER, PROCESS, Backends
from daybreak.keeper.backends.images import Pulling
from daybreak.paths import ClusterPaths
from daybreak.services.service import Container, Service
from daybreak.spec.model import Spec
from tests.unit.helpers import service


class Recording:
    """A backend that notes what it is asked for."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.handles: list[Handle] = []
        self.away = 0

    def _refuse(self) -> None:
        if self.away:
            self.away -= 1
            raise EngineError("the engine is away")

    async def start(self, service: Service, *, instance: str, generation: int, bound: Mapping[str, str]) -> Handle:
        self.calls.append(f"start {service.name}")
        self.handles.append(handle(service.name, instance))
        return self.handles[-1]

    async def stop(self, handle: Handle) -> Stopped:
        self.calls.append(f"stop {handle.service}")
        self.handles.remove(handle)
        return Stopped(0.0, 0)

    async def exited(self, handle: Handle) -> Exit:
        self._refuse()
        self.calls.append(f"exited {handle.service}")
        return Exit(0, "")

    async def observe(self) -> Sequence[Handle]:
        self._refuse()
        return list(self.handles)

    async def run(self, service: Service, argv: Sequence[str], *, timeout_s: float) -> CommandResult:
        self._refuse()
        self.calls.append(f"run {service.name}")
        return CommandResult(0, "")

    async def purge(self, services: Sequence[str]) -> None:
        self.calls.append(f"purge {' '.join(services)}")

    async def health(self, instance: str) -> str:
        self._refuse()
        return "healthy"

    async def close(self) -> None:
        self.calls.append("close")


class FakeClient:
    """An engine with these images; others can be pulled unless `refuses`."""

    def __init__(self, *images: str, refuses: bool = False) -> None:
        self.images = FakeImages(list(images), refuses)


class FakeImages:
    def __init__(self, names: list[str], refuses: bool) -> None:
        self.names = names
        self._refuses = refuses

    def inspect(self, name: str) -> dict[str, Any]:
        if name not in self.names:
            raise EngineError(f"No such image: {name}", status=404)
        return {"Id": name, "Config": {}}

    def pull(self, name: str) -> FakePull:
        return FakePull(self.names, name, self._refuses)


class FakePull:
    def __init__(self, names: list[str], name: str, refuses: bool) -> None:
        self._names = names
        self._name = name
        self._refuses = refuses

    def run(self, tell: Any) -> None:
        tell({"status": "Pulling from library"})
        if self._refuses:
            raise EngineError("the registry does not answer")
        self._names.append(self._name)


def handle(name: str, instance: str) -> Handle:
    return Handle(name, "app", instance, "f", 1, 1, "b", 0.0)


def spec(backend: str, **more: Any) -> Spec:
    return Spec.model_validate({"name": "a", "backend": backend, **more})


class Made:
    """A place with backends that note their calls."""

    def __init__(self, folder: Path, kind: str, client: FakeClient | None = None) -> None:
        self.paths = ClusterPaths("a", folder / "root", folder / "run")
        self.paths.ensure()
        self.backends = Backends(self.paths, Spec.model_validate({"name": "a", "backend": kind}))
        self.processes, self.containers = Recording(), Recording()
        inner: Any = self.backends
        inner._processes, inner._containers._made = self.processes, self.containers
        inner.engine._client = client or FakeClient()

    def settle(self, wanted: Spec) -> list[str]:
        notes: list[str] = []
        asyncio.run(self.backends.settle_on(wanted, notes.append))
        return notes


def contained(name: str) -> Service:
    return service(name, container=Container("image"))


def test_each_service_goes_where_it_belongs(tmp_path: Path) -> None:
    made = Made(tmp_path, DOCKER)

    async def story() -> None:
        one = await made.backends.start(contained("head"), instance="1", generation=1, bound={})
        two = await made.backends.start(service("serve"), instance="2", generation=1, bound={})
        assert {found.service for found in await made.backends.observe()} == {"head", "serve"}
        await made.backends.run(contained("head"), ["x"], timeout_s=1)
        await made.backends.run(service("serve"), ["x"], timeout_s=1)
        assert await made.backends.health("1") == "healthy"
        assert await made.backends.health("2") == "none"
        for found in (one, two):
            await made.backends.exited(found)
            await made.backends.stop(found)

    asyncio.run(story())
    assert made.containers.calls == ["start head", "run head", "exited head", "stop head"]
    assert made.processes.calls == ["start serve", "run serve", "exited serve", "stop serve"]


def test_what_an_earlier_keeper_left_is_stopped_where_it_is(tmp_path: Path) -> None:
    made = Made(tmp_path, DOCKER)
    made.containers.handles.append(handle("head", "1"))

    async def story() -> None:
        (found,) = await made.backends.observe()
        await made.backends.stop(found)

    asyncio.run(story())
    assert made.containers.calls == ["stop head"]


def test_a_marker_is_there_while_containers_may_be(tmp_path: Path) -> None:
    made = Made(tmp_path, DOCKER)

    async def story() -> None:
        found = await made.backends.start(contained("head"), instance="1", generation=1, bound={})
        assert made.paths.containers.exists()
        assert Backends(made.paths, None).kind == DOCKER, "also without a stored state"
        await made.backends.stop(found)
        await made.backends.observe()

    asyncio.run(story())
    assert not made.paths.containers.exists()
    assert Backends(made.paths, None).kind == PROCESS


@pytest.mark.parametrize(("before", "after"), [(PROCESS, DOCKER), (DOCKER, PROCESS)])
def test_a_running_cluster_does_not_change_its_place(tmp_path: Path, before: str, after: str) -> None:
    made = Made(tmp_path, before, FakeClient("daybreak/a:latest"))
    backend = made.containers if before == DOCKER else made.processes
    backend.handles.append(handle("head", "1"))
    with pytest.raises(KeeperError, match=r"cluster a runs .* \(head\), not") as caught:
        made.settle(spec(after))
    assert "daybreak down" in str(caught.value.hint)
    assert made.backends.kind == before
    backend.handles.clear()
    made.settle(spec(after))
    assert made.backends.kind == after


def test_missing_images_are_pulled_and_told(tmp_path: Path) -> None:
    made = Made(tmp_path, DOCKER, FakeClient("daybreak/a:latest"))
    notes = made.settle(spec(DOCKER, databases={"postgres": {}, "redis": {"image": "redis:6"}}))
    assert [note for note in notes if note.startswith("pulling")] == [
        "pulling the image postgres:15",
        "pulling the image redis:6",
    ]
    assert made.settle(spec(DOCKER, databases={"postgres": {}})) == []


def test_an_image_that_cannot_be_had(tmp_path: Path) -> None:
    made = Made(tmp_path, DOCKER, FakeClient("daybreak/a:latest", refuses=True))
    with pytest.raises(PreflightError) as caught:
        made.settle(spec(DOCKER, databases={"postgres": {}}))
    assert "postgres:15 is not there and cannot be pulled: the registry does not answer" in caught.value.details()[0]


def test_what_only_this_machine_makes_is_not_pulled(tmp_path: Path) -> None:
    with pytest.raises(PreflightError) as caught:
        Made(tmp_path, DOCKER).settle(spec(DOCKER))
    assert caught.value.details() == ["there is no image daybreak/a:latest"]
    assert caught.value.hint == "daybreak image build"


def test_a_pull_tells_how_far_it_is() -> None:
    pulling = Pulling("a")

    def said(identity: str, status: str, current: int = 0, total: int = 0) -> dict[str, Any]:
        return {
            "id": identity,
            "status": status,
            "progressDetail": {"current": current, "total": total} if total else {},
        }

    assert pulling.line(said("1", "Pulling fs layer"), 10.0) is None
    assert pulling.line(said("1", "Downloading", 5_000_000, 20_000_000), 11.0) is None
    assert pulling.line(said("2", "Downloading", 1_000_000, 10_000_000), 12.5) == "pulling the image a: 6 of 30 MB"
    assert pulling.line(said("1", "Download complete"), 13.0) is None
    assert pulling.line(said("2", "Downloading", 2_000_000, 10_000_000), 15.0) == "pulling the image a: 22 of 30 MB"


def test_processes_need_no_engine(tmp_path: Path) -> None:
    made = Made(tmp_path, PROCESS)
    made.containers.away = 100
    made.settle(spec(PROCESS))
    assert asyncio.run(made.backends.observe()) == []


def test_an_engine_that_is_away_for_a_while_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daybreak.keeper.backends.docker_reconnecting.ENGINE_AGAIN_S", 0.0)
    made = Made(tmp_path, DOCKER)

    async def story() -> None:
        found = await made.backends.start(contained("head"), instance="1", generation=1, bound={})
        made.containers.away = 3
        assert (await made.backends.exited(found)).clean
        made.containers.away = 2
        assert (await made.backends.run(contained("head"), ["x"], timeout_s=1)).code != 0
        assert "away" in await made.backends.health("1")

    asyncio.run(story())


def test_data_is_deleted_wherever_it_is(tmp_path: Path) -> None:
    made = Made(tmp_path, DOCKER)
    asyncio.run(made.backends.purge(["postgres"]))
    assert made.containers.calls == made.processes.calls == ["purge postgres"]


def test_what_was_seen_is_unknown_while_the_engine_is_away(tmp_path: Path) -> None:
    made = Made(tmp_path, DOCKER)

    async def story() -> None:
        made.containers.away = 1
        with pytest.raises(EngineError):
            await made.backends.observe()
        one = await made.backends.start(contained("head"), instance="1", generation=1, bound={})
        await made.backends.start(service("serve"), instance="2", generation=1, bound={})
        made.containers.away = 1
        states = {found.service: found.state for found in await made.backends.observe()}
        assert states == {"head": State.UNKNOWN, "serve": State.RUNNING}
        await made.backends.observe()
        await made.backends.stop(one)
        made.containers.away = 1
        with pytest.raises(EngineError):
            await made.backends.observe()

    asyncio.run(story())
    assert made.paths.containers.exists()
