"""The supervisor on the fake backend and a clock that jumps: what ends is brought back, each end once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from daybreak.backends.base import CommandResult, Handle, Stopped
from daybreak.backends.fake import FakeBackend, Script
from daybreak.errors import EngineError
from daybreak.keeper.background import Background
from daybreak.keeper.supervision.backoff import BACKOFF_S, STEADY_S
from daybreak.keeper.supervision.health_watch import RECHECK_S
from daybreak.keeper.supervision.leftover_processes import ENGINE_AGAIN_S
from daybreak.keeper.supervision.supervisor import Supervisor
from daybreak.services.service import CommandCheck, HealthPolicy, Restart, Service
from daybreak.testing.clock import run
from daybreak.timeline.event import Kind
from tests.unit.helpers import Recording, service

# Where none are registered.
NO_FORKS = Path("/nowhere")


class Watched:
    """A supervisor whose recoveries are written down with their time; each starts the service anew if told to."""

    def __init__(self, wanted: Service, *, revive: bool = True) -> None:
        self.wanted = wanted
        self.backend = FakeBackend()
        self.recording = Recording()
        self.recovered: list[tuple[float, str, bool]] = []
        self.given_up = 0
        self._revive = revive
        self.background = Background(self.recording.recorder)
        record = self.recording.recorder
        self.supervisor = Supervisor(
            self.backend, record, self.background, self._recover, self._gave_up, forks=NO_FORKS
        )

    async def start(self) -> Handle:
        name = f"i{self.backend._next_pid}"
        handle = await self.backend.start(self.wanted, instance=name, generation=1, bound={})
        self.supervisor.sync([self.wanted], [handle])
        return handle

    async def _recover(self, name: str, replace: bool) -> None:
        self.recovered.append((asyncio.get_running_loop().time(), name, replace))
        if self._revive:
            self.backend.end(await self.start(), 1)

    def _gave_up(self) -> None:
        self.given_up += 1

    @property
    def times(self) -> list[float]:
        return [at for at, _, _ in self.recovered]


def test_one_that_has_run_for_long_and_does_not_start_any_more_is_tried_after_longer_and_longer() -> None:
    async def story() -> Watched:
        watched = Watched(service("loop"), revive=False)
        handle = await watched.start()
        await asyncio.sleep(2 * STEADY_S)
        watched.backend.end(handle, 1)
        for _ in BACKOFF_S:
            await asyncio.sleep(BACKOFF_S[-1] + 1)
            watched.supervisor.retry("loop")
        watched.supervisor.close()
        return watched

    delays = [event.data["delay_s"] for event in run(story()).recording.events if event.kind is Kind.BACKING_OFF]
    assert delays == [*BACKOFF_S, BACKOFF_S[-1]]


def test_a_service_that_ends_at_once_is_started_again_after_longer_and_longer() -> None:
    async def story() -> Watched:
        watched = Watched(service("loop"))
        watched.backend.end(await watched.start(), 1)
        await asyncio.sleep(sum(BACKOFF_S) + 0.5)
        watched.supervisor.close()
        return watched

    watched = run(story())
    expected = [sum(BACKOFF_S[: count + 1]) for count in range(len(BACKOFF_S))]
    assert watched.times == expected
    events = [event for event in watched.recording.events if event.kind is Kind.BACKING_OFF]
    assert [event.data["restarts"] for event in events] == list(range(1, len(BACKOFF_S) + 2))


def test_an_end_and_a_failed_recovery_together_make_one_restart() -> None:
    async def story() -> Watched:
        watched = Watched(service("head"), revive=False)
        watched.backend.end(await watched.start(), 1)
        watched.supervisor.retry("head")
        await asyncio.sleep(STEADY_S)
        return watched

    watched = run(story())
    assert len(watched.recovered) == 1
    assert watched.recording.of(Kind.BACKING_OFF) == ["head"]


def test_what_ran_steadily_is_started_again_at_once() -> None:
    async def story() -> Watched:
        watched = Watched(service("head"), revive=False)
        for _ in range(3):
            handle = await watched.start()
            await asyncio.sleep(STEADY_S + 1)
            watched.backend.end(handle, 1)
            await asyncio.sleep(0.1)
        return watched

    assert [round(at) for at in run(story()).times] == [61, 122, 183]


def test_what_is_not_to_be_restarted_is_given_up_once_and_told() -> None:
    async def story() -> Watched:
        watched = Watched(service("once", restart=Restart.NEVER))
        watched.backend.end(await watched.start(), 1)
        await asyncio.sleep(STEADY_S)
        watched.supervisor.retry("once")
        await asyncio.sleep(STEADY_S)
        return watched

    watched = run(story())
    assert (watched.recovered, watched.given_up, watched.supervisor.given_up) == ([], 1, {"once"})


@pytest.mark.parametrize("restart", [Restart.NEVER, Restart.ON_FAILURE])
def test_what_may_end_and_ends_well_has_completed(restart: Restart) -> None:
    async def story() -> tuple[Watched, list[Handle]]:
        watched = Watched(service("once", restart=restart))
        watched.backend.end(await watched.start(), 0)
        await asyncio.sleep(STEADY_S)
        left = list(await watched.backend.observe())
        watched.supervisor.sync([watched.wanted], left)
        return watched, left

    watched, left = run(story())
    assert (watched.recovered, watched.given_up, watched.supervisor.given_up) == ([], 0, set())
    assert watched.recording.of(Kind.COMPLETED) == ["once"]
    assert watched.recording.of(Kind.EXITED) == []
    assert [handle.done for handle in left] == [True]


def test_what_is_to_run_for_ever_has_crashed_also_with_a_good_end() -> None:
    async def story() -> Watched:
        watched = Watched(service("server"), revive=False)
        watched.backend.end(await watched.start(), 0)
        await asyncio.sleep(0.1)
        return watched

    assert [name for _, name, _ in run(story()).recovered] == ["server"]


def test_a_command_of_the_user_ends_the_back_off() -> None:
    async def story() -> Watched:
        watched = Watched(service("head"), revive=False)
        watched.supervisor.retry("head")
        watched.supervisor.forgive()
        await asyncio.sleep(STEADY_S)
        assert watched.recovered == []
        watched.supervisor.retry("head")
        await asyncio.sleep(0.1)
        return watched

    assert len(run(story()).recovered) == 1


POLICY = HealthPolicy(CommandCheck(("well",)), interval_s=5.0, timeout_s=5.0, retries=3, start_period_s=30.0)


def health(watched: Watched) -> list[tuple[str, str]]:
    events = [event for event in watched.recording.events if event.kind is Kind.HEALTH]
    return [(event.data["status"], event.data["reason"]) for event in events]


def answer(watched: Watched, code: int) -> None:
    watched.backend.scripts["web"] = Script(commands={"well": CommandResult(code, "sick")})


def test_a_check_that_fails_just_after_the_start_is_told_at_once_and_does_not_count() -> None:
    async def story() -> Watched:
        watched = Watched(service("web", health=POLICY), revive=False)
        answer(watched, 1)
        await watched.start()
        await asyncio.sleep(POLICY.interval_s + 0.1)
        assert health(watched) == [("failing", "sick (just started, counts after 30 s)")]
        answer(watched, 0)
        await asyncio.sleep(RECHECK_S)
        assert health(watched)[1:] == [("healthy", "")]
        return watched

    watched = run(story())
    assert watched.recovered == []


def test_what_goes_on_failing_is_replaced_after_its_retries_and_no_sooner() -> None:
    async def story() -> Watched:
        watched = Watched(service("web", health=POLICY), revive=False)
        answer(watched, 1)
        await watched.start()
        await asyncio.sleep(POLICY.start_period_s + POLICY.interval_s * (POLICY.retries - 1) - 0.1)
        assert watched.recovered == []
        await asyncio.sleep(2 * POLICY.interval_s)
        return watched

    watched = run(story())
    assert [replaced for _, _, replaced in watched.recovered] == [True]
    assert [status for status, _ in health(watched)] == ["failing", "failing", "failing", "unhealthy"]
    assert health(watched)[-1] == ("unhealthy", "sick (3/3)")


def test_what_does_not_end_is_told_and_tried_again_until_it_does() -> None:
    async def story() -> Watched:
        watched = Watched(service("head"), revive=False)
        watched.backend.scripts["head"] = Script(stuck=True)
        watched.backend.end(await watched.start(), 1)
        await asyncio.sleep(STEADY_S)
        assert watched.recovered == []
        assert watched.supervisor.busy == {"head"}
        watched.backend.scripts.clear()
        await asyncio.sleep(STEADY_S)
        assert [name for _, name, _ in watched.recovered] == ["head"]
        return watched

    watched = run(story())
    assert watched.recording.of(Kind.EXITED) == ["head"]
    assert "head" in watched.recording.of(Kind.NOT_ENDED)
    assert len(watched.recording.of(Kind.NOTE)) == 1


def test_a_recovery_that_fails_in_an_unknown_way_is_told_and_tried_again() -> None:
    async def story() -> Watched:
        watched = Watched(service("head"), revive=False)
        broken = [OSError(24, "Too many open files"), ValueError("a bug")]

        async def recover(name: str, replace: bool) -> None:
            if broken:
                raise broken.pop()
            watched.recovered.append((0.0, name, replace))

        watched.supervisor._restarts._recover = recover
        watched.backend.end(await watched.start(), 1)
        await asyncio.sleep(STEADY_S)
        return watched

    watched = run(story())
    assert [name for _, name, _ in watched.recovered] == ["head"]
    notes = [event.data["text"] for event in watched.recording.events if event.kind is Kind.NOTE]
    assert [("a bug" in note, "short of open files" in note) for note in notes] == [(True, False), (False, True)]


def test_what_is_missing_without_an_event_is_brought_back() -> None:
    async def story() -> Watched:
        watched = Watched(service("head"), revive=False)
        handle = await watched.start()
        for observed in ([], [handle.ended(clean=False)]):
            watched.supervisor.forgive()
            watched.recovered.clear()
            watched.supervisor.compare([watched.wanted], observed)
            assert watched.supervisor.busy == {"head"}
            watched.supervisor.compare([watched.wanted], observed)
            await asyncio.sleep(0.1)
            assert len(watched.recovered) == 1
        watched.supervisor.compare([watched.wanted], [handle])
        watched.backend.end(handle, 1)
        await asyncio.sleep(STEADY_S)
        assert len(watched.recovered) == 2, "it is watched again"
        watched.supervisor.give_up({"head"})
        watched.supervisor.compare([watched.wanted], [])
        assert not watched.supervisor.busy
        return watched

    run(story())


def test_what_the_keeper_lacks_is_not_taken_for_ill_health(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> Watched:
        watched = Watched(service("web", health=POLICY), revive=False)
        answer(watched, 1)
        await watched.start()

        async def refuse(*_: object, **__: object) -> CommandResult:
            raise OSError(24, "Too many open files")

        with monkeypatch.context() as patch:
            patch.setattr(watched.backend, "run", refuse)
            await asyncio.sleep(10 * POLICY.start_period_s)
        assert health(watched) == []
        assert len(watched.recording.of(Kind.NOTE)) == 1
        await asyncio.sleep(POLICY.start_period_s)
        assert health(watched)[-1] == ("unhealthy", "sick (3/3)")
        return watched

    run(story())


def test_what_is_left_of_a_container_waits_for_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> Watched:
        watched = Watched(service("head"), revive=False)
        handle = await watched.start()

        async def away(_: Handle) -> Stopped:
            raise EngineError("the engine does not answer")

        with monkeypatch.context() as patch:
            patch.setattr(watched.backend, "stop", away)
            watched.backend.end(handle, 137)
            await asyncio.sleep(STEADY_S)
            assert watched.recovered == []
        await asyncio.sleep(2 * ENGINE_AGAIN_S)
        assert len(watched.recovered) == 1, "soon after the engine is back"
        return watched

    assert "head" in run(story()).recording.of(Kind.UNKNOWN)
