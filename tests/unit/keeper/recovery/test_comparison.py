"""What is wanted is compared with what is there: also after an engine was away, and where folders have gone."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from daybreak.backends.base import Handle, State
from daybreak.backends.fake import FakeBackend
from daybreak.errors import EngineError
from daybreak.keeper.background import Background
from daybreak.keeper.recovery.comparison import Comparison
from daybreak.keeper.supervision.supervisor import Supervisor
from daybreak.paths import ClusterPaths
from daybreak.services.build import Cluster
from daybreak.services.service import Service, Tier
from daybreak.services.slots import Slot
from daybreak.spec.model import Spec
from daybreak.testing.clock import run
from daybreak.timeline.board import Board
from daybreak.timeline.event import Kind
from tests.unit.helpers import Recording, service
from tests.unit.services.test_serving import RAY, site


class Away(FakeBackend):
    """A backend whose engine goes away: what runs is unknown then, or nobody has ever known it."""

    def __init__(self) -> None:
        super().__init__()
        self.away = self.never_seen = False

    async def observe(self) -> Sequence[Handle]:
        if self.away and self.never_seen:
            raise EngineError("the engine does not answer")
        found = await super().observe()
        return [handle.in_state(State.UNKNOWN) for handle in found] if self.away else found


class Story:
    """A cluster that is wanted and looked after. `ray` says what differs about its Ray."""

    def __init__(self, folder: Path, *services: Service, **ray: Any) -> None:
        self.services, self.backend, self.recording, self.board = services, Away(), Recording(), Board()
        self.paths = ClusterPaths("a", folder / "root", folder / "run")
        self.recovered: list[tuple[str, bool]] = []
        self.adopted = self.nothing = 0
        record = self.recording.recorder
        record._listeners.append(self.board.apply)
        background, forks = Background(record), self.paths.forks
        self.supervisor = Supervisor(self.backend, record, background, self._recover, forks=forks)
        found = site(None, runtime=str(self.paths.runtime), ray=replace(RAY, **ray))
        cluster = Cluster(Spec.model_validate({"name": "a", "workers": {"count": 1}}), found, services)
        wanted = SimpleNamespace(cluster=cluster, state=SimpleNamespace(slot=Slot.A))
        self.desired = SimpleNamespace(cluster=cluster, before=lambda: wanted)
        self.runner = SimpleNamespace(busy=False)
        followers = SimpleNamespace(
            desired=self.desired,
            supervisor=self.supervisor,
            board=self.board,
            here=lambda handles: handles,
            but_kept=lambda handles: handles,
        )
        self.board.want(services)
        self.comparison = Comparison(
            self.paths,
            self.backend,
            cast(Any, followers),
            cast(Any, self.runner),
            record,
            self._adopt,
            self._nothing,
            lambda: None,
        )

    async def start(self) -> list[Handle]:
        handles = []
        for wanted in self.services:
            instance = f"i-{wanted.name}-{len(self.backend.log)}"
            handles.append(await self.backend.start(wanted, instance=instance, generation=1, bound={}))
            self.recording.recorder.emit(Kind.READY, wanted.name, after_s=0.0)
        self.supervisor.sync(self.services, handles)
        return handles

    async def _recover(self, name: str, replace: bool) -> None:
        self.recovered.append((name, replace))

    async def _adopt(self) -> None:
        self.adopted += 1

    def _nothing(self) -> None:
        self.nothing += 1

    @property
    def states(self) -> dict[str, str]:
        return {name: row.state for name, row in self.board.rows.items()}


def test_an_engine_that_is_away_makes_rows_unknown_and_starts_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        told = Story(tmp_path, service("head"), service("api"))
        head, _ = await told.start()
        told.backend.away = True
        for _ in range(3):
            await told.comparison.once()
        assert told.states == {"head": "unknown", "api": "unknown"}
        assert told.recording.of(Kind.UNKNOWN) == ["head", "api"]
        told.supervisor.forget("head")
        told.backend.end(head, 137)  # as when a container ends with its engine: nobody hears of it
        told.backend.away = False
        await told.comparison.once()
        assert told.states == {"head": "backing-off", "api": "ready"}
        await asyncio.sleep(1.0)
        assert told.recovered == [("head", False)]

    run(story())


def test_where_nothing_is_known_nothing_is_done_and_what_is_found_later_is_adopted(tmp_path: Path) -> None:
    async def story() -> None:
        told = Story(tmp_path, service("head"))
        told.backend.away = told.backend.never_seen = True
        told.desired.cluster = None
        await told.comparison.once()
        assert (told.adopted, told.nothing) == (0, 0)
        await told.start()
        told.backend.away = False
        await told.comparison.once()
        assert (told.adopted, told.nothing) == (1, 0)

    run(story())


def test_a_keeper_that_has_nothing_to_look_after_is_told_so_but_not_during_a_back_off(tmp_path: Path) -> None:
    async def story() -> None:
        told = Story(tmp_path, service("head"))
        told.supervisor.retry("head")
        await told.comparison.once()
        assert told.nothing == 0
        told.supervisor.forgive()
        told.runner.busy = True
        await told.comparison.once()
        assert told.nothing == 0
        told.runner.busy = False
        await told.comparison.once()
        assert told.nothing == 1

    run(story())


def test_what_runs_without_its_folder_is_started_anew_but_no_database(tmp_path: Path) -> None:
    async def story() -> None:
        runtime = tmp_path / "run"
        folders = {name: (str(runtime / name),) for name in ("warm", "redis")}
        told = Story(
            tmp_path,
            service("head"),
            service("warm", Tier.WARM, folders=folders["warm"]),
            service("redis", Tier.DATA, folders=folders["redis"]),
        )
        for name in ("head", "warm", "redis"):
            (runtime / name).mkdir(parents=True)
        await told.start()
        await told.comparison.once()
        assert not told.supervisor.busy
        shutil.rmtree(runtime)
        await told.comparison.once()
        await told.comparison.once()
        assert told.supervisor.busy == {"head", "warm"}
        await asyncio.sleep(1.0)
        assert sorted(told.recovered) == [("head", True), ("warm", True)]
        notes = [event.data["text"] for event in told.recording.events if event.kind is Kind.NOTE]
        assert len(notes) == 1
        assert str(runtime) in notes[0]

    run(story())


def test_a_worker_that_shares_the_heads_folder_needs_none_of_its_own(tmp_path: Path) -> None:
    """As older versions of Ray have it: such workers were started anew every half minute."""

    async def story() -> None:
        told = Story(tmp_path, service("head"), service("worker-1"), takes_socket_names=True)
        (tmp_path / "run/head").mkdir(parents=True)
        await told.start()
        await told.comparison.once()
        assert not told.supervisor.busy
        shutil.rmtree(tmp_path / "run")
        await told.comparison.once()
        assert told.supervisor.busy == {"head", "worker-1"}

    run(story())
