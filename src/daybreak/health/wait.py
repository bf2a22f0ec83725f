"""The only wait loop. It has three endings: ready, died, timed out; the last two raise."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from daybreak.backends.base import Exit
from daybreak.errors import ServiceDied, WaitTimeout
from daybreak.health.tail import LastWords
from daybreak.health.verdict import SILENT, Attempt, Failed, NotYet, Ready, Verdict

FIRST_POLL_S = 0.01
LONGEST_POLL_S = 0.25
GROWTH = 1.5
# After a one-shot has ended well, what it has written may become visible a moment later.
AFTER_EXIT_S = 5.0
FEW_LINES = 4


@dataclass(frozen=True)
class Waited:
    """What a wait took: attempts made, seconds, and the last interval slept (it is part of what is measured)."""

    attempts: int
    after_s: float
    poll_s: float


@dataclass(frozen=True)
class Subject:
    """Whom a wait is for, where to look when it goes wrong, and how long the service may take in all (seconds).

    What a `one_shot` sets up may become ready long after it has ended well: only `result` says that the check asks for
    something that the process itself leaves behind.
    """

    service: str
    gate: str
    log: str
    last_words: Callable[[], LastWords]
    one_shot: bool = False
    result: bool = False
    given_s: float | None = None

    def __str__(self) -> str:
        return f"{self.service} ({self.gate})" if self.gate not in ("", "ready") else self.service


async def wait_until(
    attempt: Attempt,
    subject: Subject,
    *,
    exited: Callable[[], Awaitable[Exit]],
    deadline_s: float,
    on_reason: Callable[[NotYet], None] | None = None,
) -> Waited:
    """Repeat the attempt until it is ready, from 10 ms apart growing to 250 ms; the end of the process wakes it.

    `deadline_s` counts from now. Raises ServiceDied where the process ended or the check can never be met,
    WaitTimeout where the deadline passed.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    ended = asyncio.ensure_future(exited())
    attempts, poll_s, slept_s, reason = 0, FIRST_POLL_S, 0.0, "not checked yet"
    try:
        while True:
            attempts += 1
            verdict = await _bounded(attempt, ended, subject, began + deadline_s)
            if isinstance(verdict, Ready):
                return Waited(attempts, loop.time() - began, slept_s)
            if isinstance(verdict, Failed):
                raise _failed(subject, verdict)
            if verdict.reason != reason:
                reason = verdict.reason
                if on_reason:
                    on_reason(verdict)
            if ended.done() and isinstance(ended.exception(), OSError):
                ended = asyncio.ensure_future(exited())  # it could not be watched: that says nothing about it
            if ended.done():
                deadline_s = _after_exit(ended.result(), subject, began, deadline_s, loop.time())
            if loop.time() - began >= deadline_s:
                raise _timed_out(subject, loop.time() - began, reason, ended=subject.result and ended.done())
            slept_s = min(poll_s, max(0.0, began + deadline_s - loop.time()))
            await asyncio.wait({ended}, timeout=slept_s) if not ended.done() else await asyncio.sleep(slept_s)
            poll_s = min(poll_s * GROWTH, LONGEST_POLL_S)
    finally:
        ended.cancel()


async def _bounded(attempt: Attempt, ended: asyncio.Future[Exit], subject: Subject, until: float) -> Verdict:
    """An attempt outlives neither the whole wait nor the process that it asks; a one-shot's result does."""
    asking = asyncio.ensure_future(attempt())
    try:
        timeout_s = until + FIRST_POLL_S - asyncio.get_running_loop().time()
        wakes: set[asyncio.Future[Any]] = {asking} if ended.done() or subject.one_shot else {asking, ended}
        await asyncio.wait(wakes, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if asking.done():
            return asking.result()
        return NotYet("its process has ended" if ended.done() else f"{SILENT} before the deadline")
    finally:
        asking.cancel()


def _after_exit(end: Exit, subject: Subject, began: float, deadline_s: float, now: float) -> float:
    """What a one-shot has set up keeps its deadline after a good end, and its own result gets a short while to show;
    any other end is a death."""
    if subject.one_shot and end.clean:
        return min(deadline_s, now - began + AFTER_EXIT_S) if subject.result else deadline_s
    raise died(subject, end, " before it was ready")


def died(subject: Subject, end: Exit, when: str = "") -> ServiceDied:
    """How a service has ended, and why, as far as its logs tell."""
    words = subject.last_words()
    why = f": {words.reason}" if words.reason else ""
    return _death(subject, f"{subject.service} {end.reason}{when}{why}", words, end.code)


def _failed(subject: Subject, verdict: Failed) -> ServiceDied:
    told = verdict.lines or verdict.whole or subject.result  # who writes its own result has said all that it knows
    words = LastWords("", verdict.lines, verdict.whole) if told else subject.last_words()
    return _death(subject, f"{subject.service} failed: {verdict.reason}", words)


def _death(subject: Subject, message: str, words: LastWords, code: int | None = None) -> ServiceDied:
    return ServiceDied(
        message,
        exit_code_of_service=code,
        service=subject.service,
        log=subject.log,
        tail=words.lines,
        whole=words.whole,
        hint=f"daybreak logs {subject.service}",
    )


def _timed_out(subject: Subject, after_s: float, reason: str, *, ended: bool) -> WaitTimeout:
    """`ended`: a one-shot that has ended well was given a moment only."""
    words = subject.last_words()
    given_s = after_s if subject.given_s is None else subject.given_s
    longer = "; health.timeout gives each check longer" if reason.startswith(SILENT) else ""
    when = f"although its process ended well {AFTER_EXIT_S:g} s ago" if ended else f"within {given_s:.3g} s"
    return WaitTimeout(
        f"{subject} was not ready {when}: {reason}",
        reason=reason,
        service=subject.service,
        log=subject.log,
        # Nothing has gone wrong as far as the log tells: its last lines show how far it is.
        tail=words.lines if words.reason else words.lines[-FEW_LINES:],
        whole=words.whole,
        hint=f"daybreak logs {subject.service}{longer}",
    )
