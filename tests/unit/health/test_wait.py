"""The wait loop has three endings: ready, died, timed out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from daybreak.backends.base import CommandResult, Exit
from daybreak.backends.fake import FakeBackend
from daybreak.errors import ServiceDied, WaitTimeout
from daybreak.health.checks import attempt
from daybreak.health.tail import LastWords
from daybreak.health.verdict import Failed, NotYet, Ready, Verdict
from daybreak.health.wait import FIRST_POLL_S, LONGEST_POLL_S, Subject, Waited, wait_until
from daybreak.services.service import CommandCheck
from daybreak.testing.clock import run
from tests.unit.helpers import service

SUBJECT = Subject("head", "gcs", "/logs/head.log", lambda: LastWords("", ("last words",)))


async def forever() -> Exit:
    await asyncio.Event().wait()
    raise AssertionError


def after(delay_s: float, end: Exit) -> object:
    async def ended() -> Exit:
        await asyncio.sleep(delay_s)
        return end

    return ended


def waiting(scripted: Sequence[Verdict], **rest: object) -> Waited:
    """Wait with scripted verdicts; the last one repeats."""
    verdicts = list(scripted)

    async def attempt() -> Verdict:
        return verdicts.pop(0) if len(verdicts) > 1 else verdicts[0]

    options: dict[str, object] = {"exited": forever, "deadline_s": 30.0} | rest
    subject = options.pop("subject", SUBJECT)
    return run(wait_until(attempt, subject, **options))  # type: ignore[arg-type]


def test_ready_at_once_needs_one_attempt_and_no_time() -> None:
    assert waiting([Ready()]) == Waited(attempts=1, after_s=0.0, poll_s=0.0)


def test_polls_grow_from_10_ms_to_250_ms() -> None:
    waited = waiting([NotYet("no")] * 12 + [Ready()])
    assert waited.attempts == 13
    assert waited.poll_s == LONGEST_POLL_S
    assert waiting([NotYet("no"), Ready()]).poll_s == FIRST_POLL_S


def test_a_timeout_carries_the_last_reason_and_the_log() -> None:
    with pytest.raises(WaitTimeout) as caught:
        waiting([NotYet("refused"), NotYet("answers 503")], deadline_s=2.0)
    assert caught.value.reason == "answers 503"
    assert caught.value.exit_code == 3
    assert caught.value.message == "head (gcs) was not ready within 2 s: answers 503"
    assert caught.value.details() == ["last words"]
    assert caught.value.unfolded() == ["last words", "log: /logs/head.log"]


def test_a_timeout_names_what_the_service_was_given_not_what_was_left_for_its_last_gate() -> None:
    given = Subject("serve", "running", "", lambda: LastWords("", ()), given_s=25.0)
    with pytest.raises(WaitTimeout, match=r"serve \(running\) was not ready within 25 s: importing"):
        waiting([NotYet("importing")], subject=given, deadline_s=16.6)


def test_a_death_says_why_as_far_as_the_log_tells() -> None:
    words = LastWords("KeyError: 'PORT' (main.py:3)", ("main.py:3, in <module>",), ("Traceback", "KeyError: 'PORT'"))
    subject = Subject("api", "", "", lambda: words)
    with pytest.raises(ServiceDied) as caught:
        waiting([NotYet("no")], subject=subject, exited=after(0.1, Exit(1, "exited with code 1")))
    assert caught.value.message == "api exited with code 1 before it was ready: KeyError: 'PORT' (main.py:3)"
    assert caught.value.details() == ["main.py:3, in <module>"]
    assert caught.value.unfolded() == ["Traceback", "KeyError: 'PORT'"]


def test_the_end_of_the_process_wakes_the_wait() -> None:
    with pytest.raises(ServiceDied) as caught:
        waiting([NotYet("no")], exited=after(0.333, Exit(7, "exited with code 7")))
    assert caught.value.exit_code_of_service == 7
    assert "head exited with code 7 before it was ready" in caught.value.message


def test_a_check_that_can_never_be_met_ends_the_wait() -> None:
    with pytest.raises(ServiceDied, match="no module named app"):
        waiting([NotYet("importing"), Failed("no module named app", ("Traceback", "boom"))])


def test_an_attempt_that_hangs_does_not_outlive_the_deadline() -> None:
    async def hanging() -> Verdict:
        await asyncio.Event().wait()
        return Ready()

    with pytest.raises(WaitTimeout, match="no answer before the deadline"):
        run(wait_until(hanging, SUBJECT, exited=forever, deadline_s=1.0))


def test_a_check_that_is_always_slower_than_its_deadline_ends_the_wait_and_what_gives_it_longer_is_told() -> None:
    class Slow(FakeBackend):
        async def run(self, *_: object, **__: object) -> CommandResult:
            await asyncio.sleep(7.0)
            return CommandResult(0, "")

    async def asked() -> Verdict:
        return await attempt(CommandCheck(("ask",)), service("head"), Slow(), instance="", timeout_s=5.0)

    with pytest.raises(WaitTimeout, match="no answer") as caught:
        run(wait_until(asked, SUBJECT, exited=forever, deadline_s=60.0))
    assert caught.value.hint == "daybreak logs head; health.timeout gives each check longer"


def test_what_a_one_shot_has_set_up_keeps_its_deadline_after_a_good_end() -> None:
    answers = Subject("serve", "answers", "", lambda: LastWords("", ()), one_shot=True, given_s=90.0)
    ended = after(0.05, Exit(0, "exited with code 0"))
    waited = waiting([NotYet("the model is loading")] * 200 + [Ready()], subject=answers, exited=ended, deadline_s=60.0)
    assert waited.attempts == 201
    with pytest.raises(WaitTimeout, match="within 90 s: the model is loading"):
        waiting([NotYet("the model is loading")], subject=answers, exited=ended, deadline_s=60.0)


def test_a_one_shot_that_ended_well_gets_a_moment_to_show_its_result() -> None:
    one_shot = Subject("serve", "running", "", lambda: LastWords("", ()), one_shot=True, result=True)
    ended = after(0.05, Exit(0, "exited with code 0"))
    assert waiting([NotYet("no")] * 8 + [Ready()], subject=one_shot, exited=ended).attempts == 9
    with pytest.raises(WaitTimeout, match="although its process ended well 5 s ago"):
        waiting([NotYet("no")], subject=one_shot, exited=ended, deadline_s=600.0)


def test_reasons_are_told_once_each() -> None:
    told: list[NotYet] = []
    waiting([NotYet("a"), NotYet("a"), NotYet("b"), Ready()], on_reason=told.append)
    assert told == [NotYet("a"), NotYet("b")]


def test_the_end_of_the_process_ends_an_attempt_that_hangs() -> None:
    async def story() -> float:
        async def hangs() -> Verdict:
            await asyncio.Event().wait()
            raise AssertionError

        ended: object = after(2.0, Exit(1, "exited with code 1"))
        with pytest.raises(ServiceDied, match="exited with code 1 before it was ready"):
            await wait_until(hangs, SUBJECT, exited=ended, deadline_s=1000.0)  # type: ignore[arg-type]
        return asyncio.get_running_loop().time()

    assert run(story()) < 3.0


def test_a_process_that_cannot_be_watched_for_a_while_is_not_dead() -> None:
    refusals = [OSError(24, "Too many open files")] * 3

    async def exited() -> Exit:
        if refusals:
            raise refusals.pop()
        return await forever()

    assert waiting([NotYet("no")] * 12 + [Ready()], exited=exited).attempts == 13
    assert not refusals
