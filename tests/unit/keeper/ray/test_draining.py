"""Workers that go are emptied first, on a clock that jumps: what Ray is told, what is waited for, and what is said."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from daybreak.backends.base import CommandResult, Handle, State
from daybreak.backends.fake import FakeBackend
from daybreak.health import http
from daybreak.health.http import Answer
from daybreak.keeper.ray import serve_status
from daybreak.keeper.ray.draining import Draining
from daybreak.keeper.ray.serve_status import NODES_PATH, SERVE_PATH
from daybreak.run.plan import Plan, Start, Stop
from daybreak.services.build import Cluster
from daybreak.services.ray.addresses import port_names
from daybreak.services.service import Service
from daybreak.services.slots import Slot
from daybreak.spec.model import Spec
from daybreak.testing.clock import run
from tests.unit.helpers import service
from tests.unit.services.test_serving import site

PATIENCE_S = 30.0
Replicas = dict[str, tuple[str, str]]


def wanted(workers: int, **written: Any) -> Cluster:
    fields = {"name": "it", "workers": {"count": workers}, "serve": {"applications": [{"import": "app:main"}]}}
    spec = Spec.model_validate(fields | written)
    place = site(None, ports={name: 20000 + number for number, name in enumerate(port_names(spec))})
    return Cluster(spec, place, (service("head"),))


class Ray(FakeBackend):
    """A cluster as its dashboard tells of it. `replicas` are their state and node by name, which is that of the worker.

    `moves_after_s` is when the replicas on drained nodes are on the head, None where there is no room for them;
    `ends_after_s` how long one goes on that is told to end.
    """

    def __init__(self, cluster: Cluster, **replicas: str) -> None:
        super().__init__()
        self.site = cluster.site
        self.nodes = ["head", *(f"worker-{number + 1}" for number in range(cluster.spec.workers.count))]
        self.replicas: Replicas = {name: ("RUNNING", node.replace("_", "-")) for name, node in replicas.items()}
        self.told: list[tuple[float, tuple[str, ...]]] = []
        self.result = CommandResult(0, "")
        self.silent = False
        self.too_new: Sequence[str] = ()
        self.moves_after_s: float | None = 4.0
        self.ends_after_s = 2.0
        self.message = ""

    async def run(self, service: Service, argv: Sequence[str], *, timeout_s: float) -> CommandResult:
        assert service.name == "head"
        deadline_s, places = float(argv[3]), argv[4:]
        nodes = tuple(name for name in self.nodes if self.place(name) in places)
        self.told.append((deadline_s, nodes))
        after_s = 0.0 if deadline_s else self.moves_after_s
        if after_s is not None and not self.result.code:
            asyncio.get_running_loop().call_later(after_s, self._end, nodes)
        if self.result.code:
            return self.result
        return CommandResult(0, "a warning\n" + json.dumps({self.place(name): name for name in nodes}))

    def place(self, name: str) -> str:
        return f"127.0.0.2:{self.site.ports[f'{name}.node_manager']}"

    def _end(self, nodes: Sequence[str]) -> None:
        for name, (_, node) in self.replicas.items():
            if node in nodes:
                self.replicas[name] = ("STOPPING", node)
                asyncio.get_running_loop().call_later(self.ends_after_s, self._ended, name)

    def _ended(self, name: str) -> None:
        self.replicas[name] = ("RUNNING", "head")

    async def get(self, url: str, **_: Any) -> Answer:
        if self.silent:
            raise OSError("refused")
        if url.endswith(NODES_PATH):
            rows = [
                {
                    "nodeManagerAddress": "127.0.0.2",
                    "nodeManagerPort": self.site.ports[f"{name}.node_manager"],
                    "nodeId": name,
                    "state": "ALIVE",
                }
                for name in self.nodes
                if name not in self.too_new
            ]
            return Answer(200, json.dumps({"data": {"summary": [{"raylet": row} for row in rows]}}))
        assert url.endswith(SERVE_PATH)
        replicas = [
            {"replica_id": name, "state": state, "node_id": node} for name, (state, node) in self.replicas.items()
        ]
        deployment = {"status": "UPDATING", "message": self.message, "replicas": replicas}
        return Answer(200, json.dumps({"applications": {"default": {"deployments": {"App": deployment}}}}))


class Story:
    """A cluster of three workers that is to have one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, after: Cluster | None = None, **replicas: str) -> None:
        before = wanted(3)
        self.ray = Ray(before, **replicas)
        monkeypatch.setattr(http, "get", self.ray.get)
        monkeypatch.setattr(serve_status, "token", lambda _: None)
        self.notes: list[tuple[str, str, str]] = []
        self.forgotten: list[str] = []
        self.draining = Draining(self.ray, self.forgotten.append)
        self.draining.want(before)
        self.draining.want(after or wanted(1))

    def tell(self, service: str, text: str, level: str = "info") -> None:
        self.notes.append((service, text, level))

    async def drain(self, steps: Plan | None = None, *, recovers: bool = False) -> float:
        """Returns how long it took in seconds."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        await self.draining.before(steps or plan("worker-2", "worker-3"), self.tell, recovers=recovers)
        return loop.time() - began

    @property
    def on(self) -> set[str]:
        return {node for _, node in self.ray.replicas.values()}


def handle(name: str) -> Handle:
    return Handle.started(service(name), f"{name}#1", 1, {}, at_wall=0.0, pid=1, started_ticks=1, boot_id="")


def plan(*stopped: str, kept: str = "head", started: Sequence[str] = ()) -> Plan:
    stops = tuple(Stop(handle(name), "no longer wanted") for name in stopped)
    starts = tuple(Start(service(name), "changed") for name in started)
    return Plan(stop=stops, start=starts, keep=(handle(kept),))


Make = Callable[..., Story]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Make:
    return lambda after=None, **replicas: Story(monkeypatch, after, **replicas)


def test_ray_is_told_of_all_that_go_and_the_run_goes_on_when_they_are_empty(make: Make) -> None:
    story = make(a="worker_3", b="worker_3", c="worker_1")
    took_s = run(story.drain())
    # One without replicas as well: nothing is to move there.
    assert story.ray.told == [(0.0, ("worker-2", "worker-3"))]
    assert story.notes == [("worker-3", "is drained: 2 replicas move to other nodes", "info")]
    assert story.on == {"head", "worker-1"}
    assert story.forgotten == ["worker-2", "worker-3"]
    assert took_s < PATIENCE_S


def test_without_replicas_nobody_is_told_and_nothing_is_waited_for(make: Make) -> None:
    story = make(a="head", b="worker_1")
    assert run(story.drain()) == 0
    assert (story.ray.told, story.notes, story.forgotten) == ([], [], [])


def test_a_worker_that_the_dashboard_does_not_know_yet_is_drained_as_well(make: Make) -> None:
    """A replica of another one that goes would be placed there."""
    story = make(a="worker_3")
    story.ray.too_new = ("worker-2", "worker-3")
    run(story.drain())
    assert story.ray.told == [(0.0, ("worker-2", "worker-3"))]
    assert story.on == {"head"}


@pytest.mark.parametrize(
    "steps",
    [
        plan("worker-3", kept="gateway"),  # the head goes as well
        plan("serve"),
        Plan(stop=(Stop(handle("worker-3").in_state(State.BROKEN), "crashed"),), keep=(handle("head"),)),
        # The head that stays is that of the generation which serves again.
        Plan(stop=(Stop(replace(handle("worker-3"), slot=Slot.B), "no longer wanted"),), keep=(handle("head"),)),
    ],
)
def test_what_could_move_nowhere_is_not_drained(make: Make, steps: Plan) -> None:
    story = make(a="worker_3")
    run(story.drain(steps))
    assert story.ray.told == []


def test_a_worker_that_is_replaced_is_emptied_first(make: Make) -> None:
    story = make(a="worker_3", b="worker_2")
    run(story.drain(plan("worker-3", started=["worker-3"])))
    assert story.ray.told == [(0.0, ("worker-3",))]
    assert story.on == {"head", "worker-2"}


def test_a_worker_that_is_replaced_since_it_is_unwell_is_not_waited_for(make: Make) -> None:
    story = make(a="worker_3")
    assert run(story.drain(plan("worker-3", started=["worker-3"]), recovers=True)) == 0
    assert story.ray.told == []


@pytest.mark.parametrize("without", [{"dashboard": False}, {"serve": {}}])
def test_nobody_is_asked_where_nobody_could_tell(make: Make, without: dict[str, Any]) -> None:
    story = make(wanted(1, **without), a="worker_3")
    run(story.drain())
    assert (story.ray.told, story.notes) == ([], [])


def test_without_room_elsewhere_replicas_end_in_peace_when_the_deadline_has_passed(make: Make) -> None:
    story = make(a="worker_3")
    story.ray.moves_after_s, story.ray.message = None, "1 replica finds no room"
    took_s = run(story.drain())
    assert [(deadline_s > 0, nodes) for deadline_s, nodes in story.ray.told] == [
        (False, ("worker-2", "worker-3")),
        (True, ("worker-2", "worker-3")),
    ]
    text = "1 replica found no room on other nodes within 30 s (1 replica finds no room)"
    assert story.notes[1:] == [("worker-3", f"{text}; the node is stopped all the same", "warning")]
    assert PATIENCE_S < took_s < 2 * PATIENCE_S


def test_what_never_ends_is_told_and_not_waited_for_any_longer(make: Make) -> None:
    story = make(wanted(1, gateway={"drain": "5s"}), a="worker_3")
    story.ray.moves_after_s, story.ray.ends_after_s = 1.0, 1e6
    took_s = run(story.drain())
    assert story.notes[-1] == ("worker-3", "1 replica did not end within 5 s: what is left is cut off", "error")
    assert 5 < took_s < 10


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (CommandResult(3, ""), "Serve of Ray 2.60.0 moves no replicas"),
        (CommandResult(1, "some warning\nnot now"), "Ray refuses: not now"),
        (CommandResult(124, ""), "Ray refuses: exit code 124"),
    ],
)
def test_a_ray_that_does_not_do_it_is_told_and_the_run_goes_on(make: Make, result: CommandResult, reason: str) -> None:
    story = make(a="worker_3")
    story.ray.result = result
    assert run(story.drain()) == 0
    text = f"is not drained: {reason}; what its replicas are answering is cut off"
    assert story.notes == [("worker-2", text, "warning"), ("worker-3", text, "warning")]


def test_a_silent_dashboard_is_told_and_the_run_goes_on(make: Make) -> None:
    story = make(a="worker_3")
    story.ray.silent = True
    run(story.drain())
    assert story.ray.told == []
    assert "Ray's dashboard does not answer" in story.notes[0][1]


def test_a_serve_that_is_silent_for_a_moment_is_asked_again(make: Make) -> None:
    async def scene() -> None:
        story = make(a="worker_3")
        task = asyncio.ensure_future(story.drain())
        while not story.ray.told:
            await asyncio.sleep(0.01)
        story.ray.silent = True
        await asyncio.sleep(10)
        assert not task.done()
        story.ray.silent = False
        await task
        assert story.on == {"head"}
        assert len(story.notes) == 1

    run(scene())


def test_an_interrupted_drain_says_what_becomes_of_the_nodes(make: Make) -> None:
    async def scene() -> Story:
        story = make(a="worker_3", b="worker_2")
        task = asyncio.ensure_future(story.drain())
        while not story.ray.told:
            await asyncio.sleep(0.01)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert task.cancelled()
        return story

    story = run(scene())
    assert [name for name in ("head", "worker-1", "worker-2", "worker-3") if story.draining.ends(f"{name}#1")] == [
        "worker-2",
        "worker-3",
    ]
    text = "goes on draining, which Ray does not take back: it ends when it is empty"
    assert [(name, said) for name, said, _ in story.notes[-2:]] == [("worker-2", text), ("worker-3", text)]
