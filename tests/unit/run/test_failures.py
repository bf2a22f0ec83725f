"""What becomes of a run in which something fails: its dependents end at once, and what is left over is told."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from daybreak.backends.base import CommandResult
from daybreak.backends.fake import FakeBackend, Script
from daybreak.errors import Interrupted, StepFailed
from daybreak.run.change import Change, Result
from daybreak.run.reconcile import reconcile
from daybreak.services.service import Need, Service, Tier
from daybreak.testing.clock import run
from daybreak.timeline.board import Board
from daybreak.timeline.event import Kind
from daybreak.timeline.recorder import Recorder
from tests.unit.helpers import Recording, service

NOT_YET = CommandResult(1, "still cold")
LONG_S = 1000.0


async def reach(change: Change, backend: FakeBackend, recorder: Recorder, logs: Path) -> Result:
    return await reconcile(change.plan(await backend.observe()), change, backend, recorder, logs)


def cluster() -> tuple[Service, ...]:
    """A head with what hangs on it: everything but the head takes for ever to become ready."""
    bound = (Need("head", "gcs", bind=True),)
    after_serve = (*bound, Need("serve", "submitted", order_only=True))
    return (
        service("head", Tier.APP, "gcs"),
        service("serve", Tier.APP, "submitted", needs=bound, one_shot=True, start_timeout_s=LONG_S),
        service("worker-1", Tier.APP, "raylet", needs=after_serve, start_timeout_s=LONG_S),
    )


def cold() -> FakeBackend:
    return FakeBackend(
        {"serve": Script(commands={"submitted": NOT_YET}), "worker-1": Script(commands={"raylet": NOT_YET})}
    )


@pytest.mark.parametrize("keep", [True, False], ids=["recovery", "up"])
@pytest.mark.parametrize("kept", [True, False], ids=["ran before", "started in this run"])
def test_what_hangs_on_something_that_dies_is_ended_at_once(tmp_path: Path, keep: bool, kept: bool) -> None:
    backend, recording = cold(), Recording()

    async def story() -> float:
        if kept:
            await reach(Change(cluster()[:1]), backend, Recording().recorder, tmp_path)
        change = Change(cluster(), keep_on_failure=keep)
        task = asyncio.ensure_future(reach(change, backend, recording.recorder, tmp_path))
        await asyncio.sleep(5.0)
        (head,) = [handle for handle in await backend.observe() if handle.service == "head"]
        assert "start serve" in backend.log
        backend.end(head, 1)
        began = asyncio.get_running_loop().time()
        with pytest.raises(StepFailed, match="head exited with code 1"):
            await task
        assert "serve" not in {handle.service for handle in await backend.observe()}
        return asyncio.get_running_loop().time() - began

    assert run(story()) < 1.0
    reasons = {e.service: e.data["reason"] for e in recording.events if e.kind is Kind.FAILED}
    assert reasons["head"].startswith("head exited with code 1")
    if keep:
        assert reasons["serve"] == "ended: it needs head, which failed"
        assert reasons["worker-1"] == "not started: it needs head, which failed"


def test_what_waits_for_several_things_does_not_wait_for_the_others_when_one_has_failed(tmp_path: Path) -> None:
    slow = service("slow", Tier.APP, "never", start_timeout_s=LONG_S)
    needy = service("needy", needs=(Need("slow", "never"), Need("bad")))
    backend = FakeBackend({"bad": Script(refuses=True), "slow": Script(commands={"never": NOT_YET})})
    recording = Recording()

    async def story() -> None:
        change = Change((slow, service("bad"), needy), keep_on_failure=True)
        task = asyncio.ensure_future(reach(change, backend, recording.recorder, tmp_path))
        await asyncio.sleep(1.0)
        assert sorted(map(str, recording.of(Kind.FAILED))) == ["bad", "needy"]
        task.cancel()
        with pytest.raises(Interrupted):
            await task

    run(story())


def test_what_could_not_be_undone_is_told_and_stays_in_the_status(tmp_path: Path) -> None:
    backend, recording, board = (
        FakeBackend({"head": Script(stuck=True), "bad": Script(refuses=True)}),
        Recording(),
        Board(),
    )
    wanted = (service("head"), service("api"), service("bad", needs=(Need("head"), Need("api"))))
    board.want(wanted)
    with pytest.raises(StepFailed) as caught:
        run(reach(Change(wanted), backend, recording.recorder, tmp_path))
    assert "head: processes do not end even when killed" in caught.value.message
    assert "daybreak down" in str(caught.value.hint)
    for event in recording.events:
        board.apply(event)
    assert board.rows["head"].state == "not-ended"
    assert "do not end" in board.rows["head"].reason
    assert (board.rows["api"].state, board.rows["bad"].state) == ("stopped", "failed")
    assert board.rows["bad"].reason == "bad could not be started"


def test_an_interrupted_run_does_not_say_that_all_is_gone_where_it_is_not(tmp_path: Path) -> None:
    backend = FakeBackend({"head": Script(stuck=True, commands={"gcs": NOT_YET})})

    async def story() -> None:
        task = asyncio.ensure_future(reach(Change(cluster()[:1]), backend, Recording().recorder, tmp_path))
        await asyncio.sleep(1.0)
        task.cancel()
        with pytest.raises(Interrupted, match="but head: processes do not end"):
            await task

    run(story())


def test_what_does_not_end_keeps_nothing_else_from_ending_or_from_coming_back(tmp_path: Path) -> None:
    backend = FakeBackend({"stuck": Script(stuck=True)})
    services = (service("stuck"), service("api"), service("postgres", Tier.DATA))

    async def story() -> None:
        await reach(Change(services), backend, Recording().recorder, tmp_path)
        for handle in await backend.observe():
            backend.end(handle, 1)
        with pytest.raises(StepFailed, match="stuck: processes do not end"):
            await reach(Change(services, keep_on_failure=True), backend, Recording().recorder, tmp_path)
        assert {"start api", "start postgres"} <= set(backend.log[3:])
        with pytest.raises(StepFailed, match="stuck: processes do not end"):
            await reach(Change(()), backend, Recording().recorder, tmp_path)
        assert [handle.service for handle in await backend.observe()] == ["stuck"]

    run(story())
    assert backend.log.count("start stuck") == 1


def test_half_of_something_that_died_while_it_started_is_not_kept(tmp_path: Path) -> None:
    backend = FakeBackend({"head": Script(commands={"gcs": NOT_YET})})

    async def story() -> None:
        change = Change(cluster()[:1], keep_on_failure=True)
        task = asyncio.ensure_future(reach(change, backend, Recording().recorder, tmp_path))
        await asyncio.sleep(1.0)
        (head,) = await backend.observe()
        backend.lose(head, "gcs_server")
        with pytest.raises(StepFailed, match="head lost its gcs_server"):
            await task
        assert not await backend.observe()

    run(story())
