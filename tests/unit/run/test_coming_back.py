"""A service that knows something comes back as it was, while what outlives it goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from daybreak.backends.base import CommandResult, Exit, Handle, State
from daybreak.backends.fake import FakeBackend, Script
from daybreak.errors import StepFailed
from daybreak.run.change import Change
from daybreak.run.plan import Goal, Plan, plan
from daybreak.run.reconcile import reconcile
from daybreak.services.service import Need, Service, StopPolicy, Tier
from daybreak.testing.clock import run
from daybreak.timeline.event import Kind
from tests.unit.helpers import Recording, service

BACK = Goal(comes_back=frozenset({"head"}))
HEAD = service("head", Tier.APP, "gcs", stop=StopPolicy(deletes=("/run/state",)), start_timeout_s=20.0)
WORKER = service("worker-1", Tier.APP, "raylet", needs=(Need("head", "gcs", bind=True, outlives=True),))
SERVE = service("serve", Tier.APP, "routes", needs=(Need("head", bind=True, outlives=True),), one_shot=True)
DRIVER = service("driver", Tier.APP, needs=(Need("head", bind=True),))
ALL = (HEAD, WORKER, SERVE, DRIVER)


def running(wanted: Service, instance: str = "", **rest: Any) -> Handle:
    values: dict[str, Any] = {
        "service": wanted.name,
        "tier": str(wanted.tier),
        "instance": instance or f"{wanted.name}#1",
        "fingerprint": wanted.fingerprint(),
        "pid": 1,
        "started_ticks": 1,
        "boot_id": "b",
        "started_wall": 1.0,
        "bound": {name: f"{name}#1" for name in wanted.bound_to()},
        "stop": wanted.stop,
    }
    return Handle(**(values | rest))


def started(steps: Plan) -> dict[str, str]:
    """What starts, each with the instance that it comes back as."""
    return {step.service.name: step.instance for step in steps.start}


LEFT = [running(WORKER), running(SERVE, state=State.COMPLETED), running(DRIVER)]


@pytest.mark.parametrize("body", [[], [running(HEAD, state=State.BROKEN)]], ids=["gone", "dead"])
def test_a_head_comes_back_as_it_was_and_takes_only_drivers_along(body: list[Handle]) -> None:
    steps = plan(ALL, [*body, *LEFT], BACK)
    assert started(steps) == {"head": "head#1", "driver": ""}
    assert {handle.service for handle in steps.keep} == {"serve", "worker-1"}
    assert steps.coming_back == {"head"}
    # What it knows is not deleted with what is left of it.
    assert [step.handle.stop.deletes for step in steps.stop if step.handle.service == "head"] == [()] * len(body)


def test_one_that_is_replaced_takes_what_it_knows_along() -> None:
    steps = plan(
        ALL, [running(HEAD), *LEFT], Goal(replace_services=frozenset({"head"}), comes_back=frozenset({"head"}))
    )
    assert set(started(steps).values()) == {""}
    assert [step.handle.stop.deletes for step in steps.stop if step.handle.service == "head"] == [("/run/state",)]


def test_without_that_goal_everything_that_hangs_on_it_goes() -> None:
    assert started(plan(ALL, LEFT)) == dict.fromkeys(("head", "worker-1", "serve", "driver"), "")


@pytest.mark.parametrize(
    "left",
    [
        [],
        [running(DRIVER)],
        [running(WORKER, state=State.BROKEN)],
        [running(WORKER, fingerprint="older")],
        [running(WORKER), running(SERVE, bound={"head": "head#0"})],
        [running(HEAD, "head#2", state=State.BROKEN), running(WORKER)],
    ],
    ids=["nothing", "a driver", "a dead worker", "another worker", "of two heads", "of an older head"],
)
def test_where_nothing_would_find_it_again_it_starts_with_nothing(left: list[Handle]) -> None:
    assert started(plan(ALL, left, BACK))["head"] == ""


def test_a_worker_that_died_as_well_is_started_beside_those_that_live() -> None:
    other = service("worker-2", Tier.APP, "raylet", needs=WORKER.needs)
    steps = plan((*ALL, other), [*LEFT, running(other, state=State.BROKEN)], BACK)
    assert started(steps) == {"head": "head#1", "driver": "", "worker-2": ""}


async def crash(backend: FakeBackend, logs: Path, recording: Recording) -> list[Handle]:
    """All of it runs; then the head ends. Returns what ran."""
    change = Change((HEAD, WORKER, SERVE))
    await reconcile(change.plan([]), change, backend, recording.recorder, logs)
    before = list(await backend.observe())
    for handle in before:
        if handle.service == "serve":
            backend.end(handle, 0)
        if handle.service == "head":
            await backend.stop(handle.left_behind())
    backend.log.clear()
    recording.events.clear()
    return before


async def come_back(backend: FakeBackend, logs: Path, recording: Recording) -> None:
    change = Change((HEAD, WORKER, SERVE), BACK, keep_on_failure=True, unproven=frozenset({"worker-1", "serve"}))
    await reconcile(change.plan(await backend.observe()), change, backend, recording.recorder, logs)


class OfEarlier(FakeBackend):
    """What has ended was a child of an earlier keeper: how, cannot be known."""

    async def exited(self, handle: Handle) -> Exit:
        end = await super().exited(handle)
        return Exit(None, end.reason) if handle.state is State.COMPLETED else end


@pytest.mark.parametrize("kind", [FakeBackend, OfEarlier])
def test_what_went_on_is_ready_when_it_has_found_the_head_again(tmp_path: Path, kind: type[FakeBackend]) -> None:
    async def story() -> None:
        backend, recording = kind({"serve": Script(exits_after_s=0.0)}), Recording()
        before = await crash(backend, tmp_path, recording)
        await come_back(backend, tmp_path, recording)
        assert backend.log[:2] == ["start head as it was", "run head: gcs"]
        assert {handle.service: handle.instance for handle in await backend.observe()} == {
            handle.service: handle.instance for handle in before
        }
        assert recording.of(Kind.READY)[0] == "head"
        assert set(recording.of(Kind.READY)) == {"head", "worker-1", "serve"}

    run(story())


def test_what_went_on_ends_where_the_head_does_not_come_back(tmp_path: Path) -> None:
    async def story() -> None:
        backend, recording = FakeBackend({"serve": Script(exits_after_s=0.0)}), Recording()
        await crash(backend, tmp_path, recording)
        backend.scripts["head"] = Script(commands={"gcs": CommandResult(1, "it cannot read what it knew")})
        with pytest.raises(StepFailed, match="it cannot read what it knew"):
            await come_back(backend, tmp_path, recording)
        assert {"stop worker-1", "stop serve"} <= set(backend.log)

    run(story())
