"""The story, told on the fake backend and a clock that jumps."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from daybreak.backends.base import CommandResult
from daybreak.backends.fake import FakeBackend, Script
from daybreak.errors import Interrupted, ServiceDied, StepFailed, WaitTimeout
from daybreak.keeper.control.error_json import error_to_json
from daybreak.run.change import Change, Result
from daybreak.run.plan import Goal
from daybreak.run.reconcile import reconcile
from daybreak.services.service import Lane, Need, Prepare, Restart, Tier
from daybreak.testing.clock import run
from daybreak.timeline.event import Kind
from daybreak.timeline.recorder import Recorder
from tests.unit.helpers import Recording, service

NOT_YET = CommandResult(1, "still cold")


async def reach(change: Change, backend: FakeBackend, recorder: Recorder, logs: Path) -> Result:
    return await reconcile(change.plan(await backend.observe()), change, backend, recorder, logs)


def tell(backend: FakeBackend, change: Change, logs: Path, recording: Recording | None = None) -> Result:
    recording = recording or Recording()
    return run(reach(change, backend, recording.recorder, logs))


def test_a_service_starts_when_the_gate_it_needs_is_passed(tmp_path: Path) -> None:
    head = service("head", Tier.APP, "gcs", "raylet")
    worker = service("worker-1", needs=(Need("head", "gcs", bind=True),))
    api = service("api", needs=(Need("head"),))
    backend, recording = FakeBackend(), Recording()
    result = tell(backend, Change((api, worker, head)), tmp_path, recording)
    assert backend.log[0] == "start head"
    assert backend.log.index("run head: gcs") < backend.log.index("start worker-1")
    assert backend.log.index("run head: raylet") < backend.log.index("start api")
    assert {handle.service for handle in result.started} == {"head", "worker-1", "api"}
    assert sorted(str(name) for name in recording.of(Kind.READY)) == ["api", "head", "worker-1"]


def test_the_instance_of_a_bound_service_is_remembered(tmp_path: Path) -> None:
    head = service("head")
    worker = service("worker-1", needs=(Need("head", bind=True),))
    result = tell(FakeBackend(), Change((head, worker)), tmp_path)
    by_name = {handle.service: handle for handle in result.started}
    assert by_name["worker-1"].bound == {"head": by_name["head"].instance}


def test_what_needs_nothing_does_not_wait_for_what_is_slow(tmp_path: Path) -> None:
    slow = service("slow", Tier.APP, "never", start_timeout_s=3)
    backend = FakeBackend({"slow": Script(commands={"never": NOT_YET})})
    with pytest.raises(StepFailed):
        tell(backend, Change((slow, service("quick"))), tmp_path)
    assert "start quick" in backend.log


def test_services_of_a_lane_start_in_turns(tmp_path: Path) -> None:
    names = [f"worker-{number}" for number in range(1, 6)]
    backend = FakeBackend({name: Script(exits_after_s=1.0) for name in names})
    workers = [service(name, one_shot=True, lane=Lane("workers", 2)) for name in names]
    recording = Recording()
    tell(backend, Change((*workers, service("other"))), tmp_path, recording)
    at_once, most = 0, 0
    for event in recording.events:
        if event.service in names:
            at_once += {Kind.STARTING: 1, Kind.READY: -1}.get(event.kind, 0)
            most = max(most, at_once)
    assert (most, at_once) == (2, 0)
    third = next(e for e in recording.events if e.kind is Kind.STARTING and e.service == "worker-3")
    assert recording.of(Kind.WAITING) == ["worker-3", "worker-4", "worker-5"]
    assert third.data["last_need"] in ("worker-1", "worker-2")


def test_who_fails_leaves_its_lane(tmp_path: Path) -> None:
    lane = Lane("workers", 1)
    backend = FakeBackend({"bad": Script(refuses=True)})
    wanted = Change((service("bad", lane=lane), service("good", lane=lane)), keep_on_failure=True)
    with pytest.raises(StepFailed):
        tell(backend, wanted, tmp_path)
    assert "start good" in backend.log


def test_a_failure_takes_down_what_the_run_started_and_only_that(tmp_path: Path) -> None:
    backend = FakeBackend({"bad": Script(exits_after_s=1.0, code=3)})
    database = service("postgres", Tier.DATA)
    bad = service("bad", Tier.APP, "never", needs=(Need("postgres"),))
    backend.scripts["bad"] = Script(exits_after_s=1.0, code=3, commands={"never": NOT_YET})

    async def story() -> StepFailed:
        await reach(Change((database,)), backend, Recording().recorder, tmp_path)
        with pytest.raises(StepFailed) as caught:
            await reach(Change((database, service("head"), bad)), backend, recording.recorder, tmp_path)
        assert [handle.service for handle in await backend.observe()] == ["postgres"]
        return caught.value

    recording = Recording()
    failure = run(story()).failures[0]
    assert isinstance(failure, ServiceDied)
    assert failure.exit_code_of_service == 3
    assert failure.exit_code == 1
    assert {event.data["why"] for event in recording.events if event.kind is Kind.STOPPING} == {"bad failed"}


def test_keep_leaves_what_came_up_and_blocks_only_what_needs_the_failed_one(tmp_path: Path) -> None:
    bad = service("bad", Tier.APP, "never", start_timeout_s=2)
    needy = service("needy", needs=(Need("bad"),))
    backend = FakeBackend({"bad": Script(commands={"never": NOT_YET})})
    recording = Recording()
    wanted = Change((bad, needy, service("good")), keep_on_failure=True)
    with pytest.raises(StepFailed) as caught:
        tell(backend, wanted, tmp_path, recording)
    assert isinstance(caught.value.failures[0], WaitTimeout)
    assert caught.value.exit_code == 3
    assert "start needy" not in backend.log
    assert "stop good" not in backend.log
    assert set(recording.of(Kind.FAILED)) == {"bad", "needy"}


def test_order_only_needs_are_met_by_failure_too(tmp_path: Path) -> None:
    serve = service("serve", Tier.APP, "submitted")
    worker = service("worker-1", needs=(Need("serve", "submitted", order_only=True),))
    backend = FakeBackend({"serve": Script(exits_after_s=0.5, code=1, commands={"submitted": NOT_YET})})
    with pytest.raises(StepFailed):
        tell(backend, Change((serve, worker), keep_on_failure=True), tmp_path)
    assert "start worker-1" in backend.log


def test_restart_stops_the_app_tier_before_it_starts_it_and_leaves_databases(tmp_path: Path) -> None:
    database, head = service("postgres", Tier.DATA), service("head")
    worker = service("worker-1", needs=(Need("head", bind=True),))
    backend = FakeBackend({"worker-1": Script(stops_after_s=2.0)})

    async def story() -> None:
        wanted = (database, head, worker)
        await reach(Change(wanted), backend, Recording().recorder, tmp_path)
        backend.log.clear()
        goal = Goal(replace_tiers=frozenset({Tier.APP}))
        await reach(Change(wanted, goal, generation=2), backend, Recording().recorder, tmp_path)

    run(story())
    assert set(backend.log[:2]) == {"stop worker-1", "stop head"}
    assert backend.log[2:] == ["start head", "start worker-1"]


def test_an_interrupted_run_takes_down_what_it_started(tmp_path: Path) -> None:
    head = service("head", Tier.APP, "never")
    backend = FakeBackend({"head": Script(commands={"never": NOT_YET}, stops_after_s=1.0)})

    async def story() -> None:
        task = asyncio.ensure_future(reach(Change((head,)), backend, Recording().recorder, tmp_path))
        await asyncio.sleep(5)
        task.cancel()
        await asyncio.sleep(0.1)
        task.cancel()  # a second Ctrl-C must not stop the cleaning up
        with pytest.raises(Interrupted):
            await task
        assert not await backend.observe()

    run(story())


def test_a_preparation_runs_once_and_its_failure_is_told(tmp_path: Path) -> None:
    made = tmp_path / "made"
    prepare = Prepare("initdb", ("initdb",), str(made))
    database = service("postgres", Tier.DATA, prepare=(prepare,))
    backend = FakeBackend({"postgres": Script(commands={"initdb": CommandResult(1, "disk full")})})
    with pytest.raises(StepFailed, match="initdb failed"):
        tell(backend, Change((database,)), tmp_path)
    made.touch()
    backend.log.clear()
    tell(backend, Change((database,)), tmp_path)
    assert backend.log == ["start postgres"]


def test_a_one_shot_that_ends_well_stays_done_and_one_that_does_not_fails(tmp_path: Path) -> None:
    good = service("serve", Tier.APP, "running", one_shot=True)
    backend = FakeBackend({"serve": Script(exits_after_s=0.2, code=0)})

    async def story() -> None:
        await reach(Change((good,)), backend, Recording().recorder, tmp_path)
        backend.log.clear()
        await reach(Change((good,)), backend, Recording().recorder, tmp_path)
        assert backend.log == []

    run(story())
    with pytest.raises(StepFailed):
        tell(FakeBackend({"serve": Script(exits_after_s=0.2, code=1)}), Change((good,)), tmp_path)


def test_a_service_that_has_done_its_work_is_left_alone_and_one_that_is_to_run_is_not(tmp_path: Path) -> None:
    wanted = Change((service("migrate", restart=Restart.NEVER), service("server")))
    backend = FakeBackend({name: Script(exits_after_s=0.2, code=0) for name in ("migrate", "server")})

    async def story() -> None:
        await reach(wanted, backend, Recording().recorder, tmp_path)
        await asyncio.sleep(1.0)
        backend.log.clear()
        await reach(wanted, backend, Recording().recorder, tmp_path)

    run(story())
    assert backend.log == ["stop server", "start server"]


def test_a_second_run_changes_nothing(tmp_path: Path) -> None:
    wanted = Change((service("postgres", Tier.DATA), service("head")))
    backend = FakeBackend()

    async def story() -> None:
        await reach(wanted, backend, Recording().recorder, tmp_path)
        backend.log.clear()
        result = await reach(wanted, backend, Recording().recorder, tmp_path)
        assert result.plan.empty
        assert backend.log == []

    run(story())


def test_what_runs_but_was_never_seen_ready_is_waited_for(tmp_path: Path) -> None:
    head = service("head", Tier.APP, "gcs", "raylet")
    worker = service("worker-1", needs=(Need("head", "gcs"),))
    backend, recording = FakeBackend(), Recording()

    async def story() -> None:
        await reach(Change((head,)), backend, Recording().recorder, tmp_path)
        backend.log.clear()
        wanted = Change((head, worker), unproven=frozenset({"head"}))
        await reach(wanted, backend, recording.recorder, tmp_path)

    run(story())
    assert "start head" not in backend.log
    assert backend.log.index("run head: gcs") < backend.log.index("start worker-1")
    assert sorted(str(name) for name in recording.of(Kind.READY)) == ["head", "worker-1"]


def test_what_runs_but_never_becomes_ready_is_taken_down_like_the_rest(tmp_path: Path) -> None:
    head = service("head", Tier.APP, "gcs", start_timeout_s=2)
    worker = service("worker-1", needs=(Need("head", "gcs"),))
    backend = FakeBackend()

    async def story() -> None:
        await reach(Change((head,)), backend, Recording().recorder, tmp_path)
        backend.scripts["head"] = Script(commands={"gcs": NOT_YET})
        with pytest.raises(StepFailed) as caught:
            wanted = Change((head, worker), unproven=frozenset({"head"}))
            await reach(wanted, backend, Recording().recorder, tmp_path)
        assert caught.value.exit_code == 3
        assert not await backend.observe()

    run(story())
    assert "start worker-1" not in backend.log


def test_what_was_only_found_running_survives_a_failure(tmp_path: Path) -> None:
    database, head = service("postgres", Tier.DATA, "accepting"), service("head", Tier.APP, "gcs")
    bad = service("bad", needs=(Need("head", "gcs"),))
    backend = FakeBackend({"bad": Script(refuses=True)})

    async def story() -> None:
        await reach(Change((database, head)), backend, Recording().recorder, tmp_path)
        wanted = Change((database, head, bad), unproven=frozenset({"postgres", "head"}))
        with pytest.raises(StepFailed):
            await reach(wanted, backend, Recording().recorder, tmp_path)
        assert {handle.service for handle in await backend.observe()} == {"postgres", "head"}

    run(story())


def test_a_database_that_was_found_and_does_not_answer_is_left_alone(tmp_path: Path) -> None:
    database = service("postgres", Tier.DATA, "accepting", start_timeout_s=2)
    backend = FakeBackend()

    async def story() -> None:
        await reach(Change((database,)), backend, Recording().recorder, tmp_path)
        backend.scripts["postgres"] = Script(commands={"accepting": NOT_YET})
        with pytest.raises(StepFailed):
            wanted = Change((database,), unproven=frozenset({"postgres"}))
            await reach(wanted, backend, Recording().recorder, tmp_path)
        assert [handle.service for handle in await backend.observe()] == ["postgres"]

    run(story())


def test_a_failure_leaves_what_the_run_started_just_as_it_was_wanted_before(tmp_path: Path) -> None:
    head = service("head")
    serve = service("serve", Tier.APP, "running", one_shot=True, needs=(Need("head", bind=True),))
    changed = service("api", env={"NEW": "1"})
    backend = FakeBackend({"serve": Script(exits_after_s=1.0, code=1, commands={"running": NOT_YET})})

    async def story() -> None:
        before = (head, serve, service("api"))
        goal = Goal(replace_tiers=frozenset({Tier.APP}))
        with pytest.raises(StepFailed):
            wanted = Change((head, serve, changed), goal, before=before)
            await reach(wanted, backend, Recording().recorder, tmp_path)
        assert [handle.service for handle in await backend.observe()] == ["head"]

    run(story())


def test_a_stop_that_has_begun_is_carried_out_when_something_else_fails(tmp_path: Path) -> None:
    old, bad = service("old"), service("bad", Tier.DATA)
    backend = FakeBackend({"old": Script(stops_after_s=5.0), "bad": Script(refuses=True)})
    recording = Recording()

    async def story() -> None:
        await reach(Change((old,)), backend, Recording().recorder, tmp_path)
        with pytest.raises(StepFailed):
            await reach(Change((bad,)), backend, recording.recorder, tmp_path)
        assert not await backend.observe()

    run(story())
    assert recording.of(Kind.STOPPED) == ["old"]


def test_a_reason_and_the_lines_below_it_hold_no_secret(tmp_path: Path) -> None:
    password = "0123456789abcdef" * 4
    logs = tmp_path / "logs"
    for folder in (logs, tmp_path / "secrets"):
        folder.mkdir()
    (tmp_path / "secrets" / "redis").write_text(password)
    (logs / "api.log").write_text(f"ValueError: no broker at redis://:{password}@127.0.0.1:6379\n")
    api = service("api", Tier.APP, "port", start_timeout_s=5)
    answer = CommandResult(1, f"tried {password}")
    backend = FakeBackend({"api": Script(commands={"port": answer}, exits_after_s=1.0, code=1)})
    recording = Recording()
    with pytest.raises(StepFailed) as caught:
        tell(backend, Change((api,)), logs, recording)
    assert "ValueError: no broker at redis://:********@127.0.0.1:6379" in caught.value.message
    told = [error_to_json(caught.value), *(event.to_json() for event in recording.events)]
    assert password not in str(told)
    assert "tried ********" in str(told)


def test_what_a_failed_run_has_started_ends_in_order(tmp_path: Path) -> None:
    services = (service("warm", Tier.WARM), service("postgres", Tier.DATA), service("head"))
    bad = service("bad", needs=(Need("head"), Need("postgres"), Need("warm")))
    backend = FakeBackend({"bad": Script(refuses=True), "head": Script(stops_after_s=2.0)})
    with pytest.raises(StepFailed):
        tell(backend, Change((*services, bad)), tmp_path)
    assert [line for line in backend.log if line.startswith("stop")] == ["stop head", "stop postgres", "stop warm"]


SERVE = service("serve", Tier.APP, "up", one_shot=True, start_timeout_s=5)
WEB = service("web", Tier.APP, "up", needs=(Need("serve"),))
REDEPLOY = Goal(replace_services=frozenset({"serve", "web"}), serving="serve")


async def redeploy(
    backend: FakeBackend, folder: Path, then: Script, recording: Recording, *, keep: bool = False
) -> tuple[dict[str, str], dict[str, str]]:
    """Replace a deployment that has done its work and a service beside it; the instances before and afterwards."""

    async def instances() -> dict[str, str]:
        return {handle.instance: handle.service for handle in await backend.observe()}

    await reach(Change((SERVE, WEB)), backend, Recording().recorder, folder)
    before = await instances()
    backend.log.clear()
    backend.scripts["serve"] = then
    change = Change((SERVE, WEB), REDEPLOY, keep_on_failure=keep)
    with contextlib.suppress(StepFailed):
        await reach(change, backend, recording.recorder, folder)
    return before, await instances()


def test_nothing_ends_before_what_serves_on_is_ready_and_no_end_of_it_is_told(tmp_path: Path) -> None:
    works = Script(exits_after_s=1.0)
    backend, recording = FakeBackend({"serve": works}), Recording()
    before, after = run(redeploy(backend, tmp_path, works, recording))
    steps = [line for line in backend.log if line.startswith(("start", "stop"))]
    assert steps[:2] == ["start serve", "stop web"]
    assert sorted(steps[2:]) == ["start web", "stop serve"]
    assert recording.of(Kind.STOPPING) == ["web"]
    assert sorted(after.values()) == ["serve", "web"]
    assert not before.keys() & after.keys()


@pytest.mark.parametrize("keep", [False, True])
def test_where_it_does_not_become_ready_everything_goes_on_as_it_was(tmp_path: Path, keep: bool) -> None:
    backend, recording = FakeBackend({"serve": Script(exits_after_s=1.0)}), Recording()
    before, after = run(redeploy(backend, tmp_path, Script(exits_after_s=1.0, code=1), recording, keep=keep))
    assert before.items() <= after.items()
    assert recording.of(Kind.FAILED) == ["serve"]
    assert "web" not in recording.of(Kind.STOPPING)
    assert "start web" not in backend.log
