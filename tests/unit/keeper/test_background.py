"""Nothing that the keeper does in the background can end unseen."""

from __future__ import annotations

import asyncio
import itertools

from daybreak.errors import EngineError
from daybreak.keeper.background import AWAY_S, PAUSES_S, STEADY_S, Background
from daybreak.testing.clock import run
from daybreak.timeline.event import Event, Kind
from tests.unit.helpers import Recording


def texts(recording: Recording) -> list[str]:
    return [event.data["text"] for event in recording.events if event.kind is Kind.NOTE]


def test_what_fails_is_told_once_and_done_again_after_longer_and_longer() -> None:
    times: list[float] = []

    async def story() -> Recording:
        recording = Recording()
        background = Background(recording.recorder)

        async def work() -> None:
            times.append(asyncio.get_running_loop().time())
            if len(times) <= len(PAUSES_S):
                raise ValueError("no")

        await background.keep("the work", work)
        await asyncio.sleep(0)
        assert len(background) == 0
        return recording

    assert texts(run(story())) == ["the work: ValueError: no; it is tried again"]
    assert times == [sum(PAUSES_S[:count]) for count in range(len(PAUSES_S) + 1)]


def test_what_is_done_now_and_then_goes_on_after_a_failure_and_ends_with_the_keeper() -> None:
    async def story() -> int:
        done = 0
        recording = Recording()
        background = Background(recording.recorder)

        async def work() -> None:
            nonlocal done
            done += 1
            if done == 2:
                raise OSError(28, "No space left on device")

        background.every(30.0, "rotation", work)
        await asyncio.sleep(30 * 5)
        background.close()
        so_far = done
        await asyncio.sleep(STEADY_S)
        assert texts(recording) == ["rotation: the keeper is short of space on its disk; it is tried again"]
        assert done == so_far
        return done

    assert run(story()) == 4


def test_a_note_that_cannot_be_told_ends_nothing() -> None:
    async def story() -> None:
        recording = Recording()

        def refuse(_: Event) -> None:
            raise OSError(28, "No space left on device")

        recording.recorder._listeners.append(refuse)
        again = asyncio.Event()

        async def work() -> None:
            if recording.events:
                again.set()
            else:
                raise ValueError("no")

        await Background(recording.recorder).keep("the work", work)
        assert again.is_set()

    run(story())


def test_an_engine_that_is_away_is_asked_again_soon_however_long_that_takes() -> None:
    times: list[float] = []

    async def story() -> None:
        async def work() -> None:
            times.append(asyncio.get_running_loop().time())
            if times[-1] < 120.0:
                raise EngineError("Docker's engine does not answer")

        await Background(Recording().recorder).keep("watching for the end", work)

    run(story())
    assert max(after - before for before, after in itertools.pairwise(times)) <= AWAY_S
