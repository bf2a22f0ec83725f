"""Following the applications, on a clock that jumps: what is asked, and what is told once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import pytest

from daybreak.backends.fake import FakeBackend
from daybreak.health import http
from daybreak.health.http import Answer
from daybreak.health.verdict import NotYet, Ready, Verdict
from daybreak.keeper.background import Background
from daybreak.keeper.ray import applications, serve_status
from daybreak.keeper.ray.applications import INTERVAL_S, LINGERS_S, LONGEST_S, NO_DASHBOARD, Applications
from daybreak.keeper.ray.serve_status import NO_CONTROLLER, TIMEOUT_S
from daybreak.services.build import Cluster
from daybreak.services.service import Secret, TcpCheck
from daybreak.spec.model import Spec
from daybreak.testing.clock import run
from daybreak.timeline.board import Board
from daybreak.timeline.event import Event, Kind
from daybreak.timeline.recorder import Recorder
from tests.unit.health.test_applications import answer
from tests.unit.helpers import service

SERVES = {"name": "it", "serve": {"applications": [{"import": "app:main"}]}}
WELL = answer(replicas=[{"replica_id": "a", "state": "RUNNING"}, {"replica_id": "b", "state": "RUNNING"}])
SICK = answer(
    status="UNHEALTHY", message="A replica's health check failed. This deployment will be UNHEALTHY until ..."
)


class FakeSite:
    """As much of a site as is asked for."""

    base = "/nowhere"
    affinity = ""
    engine = None
    gateway = ""
    node = ""
    ports: Mapping[str, int] = MappingProxyType({})
    serve_config = None
    secrets_folder = "/nowhere"


class Story:
    """A ready `serve`; `dashboard` and `door` are what they answer now."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path, **spec: Any) -> None:
        self.dashboard: dict[str, Any] | int | Exception = WELL
        self.door: Verdict = Ready()
        self.door_takes_s = 0.0
        self.gcs = 200
        self.asked: list[float] = []
        self.events: list[Event] = []
        self.board = Board()
        (folder / "token").write_text("secret\n")
        monkeypatch.setattr(http, "get", self._get)
        monkeypatch.setattr(applications, "attempt", self._attempt)
        monkeypatch.setattr(serve_status, "token", lambda _: Secret(str(folder / "token")))
        monkeypatch.setattr(applications, "door", lambda *_: TcpCheck("nowhere", 1))
        cluster = Cluster(Spec.model_validate(SERVES | spec), cast(Any, FakeSite()), (service("serve"),))
        self.board.want(cluster.services)
        record = Recorder([self.events.append, self.board.apply])
        self.followed = Applications(record, Background(record), FakeBackend())
        self.followed.want(cluster)

    async def _get(self, url: str, *, token: str | None = None, most_bytes: int = 0) -> Answer:
        if url.endswith("/api/gcs_healthz"):
            return Answer(self.gcs, "")
        assert url.endswith("/api/serve/applications/")
        assert token == "secret"  # noqa: S105 - as the file of the test has it
        self.asked.append(asyncio.get_running_loop().time())
        if isinstance(self.dashboard, Exception):
            raise self.dashboard
        if isinstance(self.dashboard, int):
            return Answer(self.dashboard, "")
        return Answer(200, json.dumps(self.dashboard))

    async def _attempt(self, *_: Any, **__: Any) -> Verdict:
        await asyncio.sleep(self.door_takes_s)
        return self.door

    def tell(self, kind: Kind, name: str, **data: Any) -> None:
        event = Event(kind, 0.0, 0.0, name, None, data)
        self.board.apply(event)
        self.followed.follow(event)

    def begin(self) -> None:
        self.tell(Kind.READY, "serve")

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(event.data["status"], event.data["reason"]) for event in self.events]

    @property
    def health(self) -> tuple[str, str]:
        row = self.board.rows["serve"]
        return row.health, row.reason


Make = Callable[..., Story]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Make:
    return lambda **spec: Story(monkeypatch, tmp_path, **spec)


def test_what_serve_tells_is_shown_within_two_intervals_and_told_once(make: Make) -> None:
    async def story() -> Story:
        told = make()
        told.begin()
        await asyncio.sleep(10.5 * INTERVAL_S)
        assert told.told == [("healthy", "")]
        told.dashboard = SICK
        await asyncio.sleep(1.5 * INTERVAL_S)
        assert told.health == ("unhealthy", "App is UNHEALTHY: A replica's health check failed")
        assert told.followed.to_json()["applications"][0]["deployments"][0]["running"] == 1
        await asyncio.sleep(10 * INTERVAL_S)
        told.dashboard = WELL
        await asyncio.sleep(1.5 * INTERVAL_S)
        assert told.health == ("healthy", "")
        told.followed.close()
        return told

    assert [status for status, _ in run(story()).told] == ["healthy", "unhealthy", "healthy"]


def test_a_dashboard_that_does_not_answer_is_asked_less_often_and_makes_nothing_worse(make: Make) -> None:
    async def story() -> Story:
        told = make()
        told.begin()
        await asyncio.sleep(2.5)
        told.dashboard = ConnectionRefusedError(111, "Connection refused")
        before = len(told.asked)
        await asyncio.sleep(60.0)
        assert len(told.asked) - before <= 60.0 / LONGEST_S + 3
        assert told.health == ("healthy", "")
        unknown = {"unknown": "Ray's dashboard does not tell: Connection refused", "applications": []}
        assert told.followed.to_json() == unknown
        told.dashboard = WELL
        await asyncio.sleep(LONGEST_S + 1.0)
        assert told.health == ("healthy", "")
        told.followed.close()
        return told

    assert [status for status, _ in run(story()).told] == ["healthy", "unknown", "healthy"]


@pytest.mark.parametrize("silence", [503, TimeoutError()])
def test_a_controller_that_is_silent_behind_a_dashboard_that_is_not_is_told(make: Make, silence: Any) -> None:
    async def story() -> Story:
        told = make()
        told.begin()
        await asyncio.sleep(2.5)
        told.dashboard = silence
        await asyncio.sleep(LONGEST_S)
        assert told.health == ("degraded", NO_CONTROLLER)
        told.gcs = 503
        await asyncio.sleep(2 * LONGEST_S)
        told.followed.close()
        return told

    told = run(story())
    assert told.told[:2] == [("healthy", ""), ("degraded", NO_CONTROLLER)]
    assert [status for status, _ in told.told[2:]] == ([] if silence == 503 else ["unknown"])


@pytest.mark.parametrize("strange", [404, {"applications": {"default": {"deployments": {"App": {"replicas": [7]}}}}}])
def test_an_answer_of_another_ray_makes_it_unknown(make: Make, strange: Any) -> None:
    async def story() -> Story:
        told = make()
        told.dashboard = strange
        told.begin()
        await asyncio.sleep(5.0)
        told.followed.close()
        return told

    told = run(story())
    assert [status for status, _ in told.told] == ["unknown"]


def test_without_a_dashboard_nobody_is_asked_and_the_door_is_still_tried(make: Make) -> None:
    async def story() -> Story:
        told = make(dashboard=False)
        told.begin()
        await asyncio.sleep(3.0)
        assert told.health == ("healthy", "")
        assert told.followed.to_json()["unknown"] == NO_DASHBOARD
        told.door = NotYet("nothing listens")
        await asyncio.sleep(2 * INTERVAL_S)
        assert told.health == ("unhealthy", "nothing listens")
        told.door = Ready()
        await asyncio.sleep(2 * INTERVAL_S)
        assert told.health == ("healthy", "")
        told.followed.close()
        return told

    assert run(story()).asked == []


def test_a_door_that_refuses_once_is_no_news(make: Make) -> None:
    async def story() -> Story:
        told = make()
        told.begin()
        await asyncio.sleep(2.1 * INTERVAL_S)
        told.door = NotYet("nothing listens")
        await asyncio.sleep(INTERVAL_S)
        told.door = Ready()
        await asyncio.sleep(5 * INTERVAL_S)
        told.followed.close()
        return told

    told = run(story())
    assert told.told[0] == ("healthy", "")
    assert len(told.told) in (1, 3)  # whether the second knock came before the door was open again


def test_a_door_that_is_silent_once_is_closed(make: Make) -> None:
    async def story() -> None:
        told = make()
        told.begin()
        await asyncio.sleep(2.1 * INTERVAL_S)
        told.door, told.door_takes_s = NotYet("no answer within 5 s"), TIMEOUT_S
        await asyncio.sleep(TIMEOUT_S + INTERVAL_S)
        assert told.health == ("unhealthy", "no answer within 5 s")
        told.door, told.door_takes_s = Ready(), 0.0
        await asyncio.sleep(TIMEOUT_S + INTERVAL_S)
        assert told.health == ("healthy", "")
        told.followed.close()

    run(story())


@pytest.mark.parametrize(
    ("kind", "name"),
    [(Kind.STOPPING, "head"), (Kind.EXITED, "head"), (Kind.STARTING, "serve"), (Kind.STOPPED, "serve")],
)
def test_nothing_is_asked_while_the_head_or_the_applications_are_replaced(make: Make, kind: Kind, name: str) -> None:
    async def story() -> Story:
        told = make()
        told.begin()
        await asyncio.sleep(2.5)
        told.tell(kind, name)
        before = len(told.asked)
        await asyncio.sleep(20.0)
        assert len(told.asked) == before
        assert told.followed.to_json() == {"unknown": "", "applications": []}
        told.begin()
        await asyncio.sleep(2.5)
        told.followed.close()
        return told

    assert run(story()).told == [("healthy", ""), ("healthy", "")]


def test_a_secret_in_what_serve_says_is_not_told(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    password = "0123456789abcdef0123456789abcdef"  # noqa: S105 - as one that is generated
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "redis").write_text(f"{password}\n")
    monkeypatch.setattr(FakeSite, "secrets_folder", str(secrets))

    async def story() -> str:
        told = make()
        told.dashboard = json.loads(json.dumps(WELL).replace('"message": ""', f'"message": "redis://:{password}@h"'))
        told.begin()
        await asyncio.sleep(2.5 * INTERVAL_S)
        return json.dumps(told.followed.to_json())

    shown = run(story())
    assert "redis://:********@h" in shown
    assert password not in shown


def test_replicas_that_end_slowly_are_told_once(make: Make) -> None:
    ending = [{"replica_id": "a", "state": "RUNNING"}, {"replica_id": "b", "state": "STOPPING"}]

    async def tale() -> None:
        story = make()
        story.dashboard = answer(replicas=ending)
        story.begin()
        await asyncio.sleep(LINGERS_S - 1)
        assert not [event for event in story.events if event.kind is Kind.NOTE]
        await asyncio.sleep(LINGERS_S)
        (note,) = [event.data["text"] for event in story.events if event.kind is Kind.NOTE]
        assert note == "replicas that were replaced still answer what they had begun: 1 of App"
        story.followed.close()

    run(tale())
