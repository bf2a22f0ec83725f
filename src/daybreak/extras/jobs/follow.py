"""Following a job to its end, through connections that break: the head may be replaced, the gateway be restarted."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import closing, suppress

from daybreak.errors import DaybreakError
from daybreak.extras.jobs.job import Job
from daybreak.extras.jobs.rest import JobsApi, Unreachable
from daybreak.extras.jobs.tail import Tail
from daybreak.naps import naps

# So long the jobs API may be away.
AWAY_S = 120.0
# Ray's own following takes seconds to see that a job has ended. What is left is asked for, unless so much was printed
# that it would be too much to get again; then Ray is waited for, so long at most.
MOST_AGAIN = 10_000_000
REST_S = 15.0
# Ray notices within some seconds that a command has ended, and kills one that does not end when asked.
END_S = 30.0
LONGEST_NAP_S = 1.0


def follow(jobs: JobsApi, job: str) -> Iterator[str]:
    """What it prints, each part once, until it has ended. Raises DaybreakError where that cannot be known any more."""
    seen = 0
    while True:
        came, last = 0, _Connection(jobs, job)
        for text in last:
            new = text[max(0, seen - came) :]
            came += len(text)
            if new:
                yield new
        seen = max(seen, came)
        if _info(jobs, job).is_over:
            break
        time.sleep(LONGEST_NAP_S)
    if not last.whole:
        with suppress(DaybreakError):
            yield jobs.logs(job)[seen:]


class _Connection:
    """What comes over one, from the first line on; `whole` where it ended as Ray ends it, and did not break."""

    def __init__(self, jobs: JobsApi, job: str) -> None:
        self._jobs, self._job = jobs, job
        self.whole = False

    def __iter__(self) -> Iterator[str]:
        try:
            tail = Tail(self._jobs, self._job)
        except Unreachable:
            return
        over_at, came = math.inf, 0
        with closing(tail):
            for text in tail:
                if text is not None:
                    came += len(text)
                    yield text
                elif over_at == math.inf and _info(self._jobs, self._job).is_over:
                    over_at = time.monotonic()
                if time.monotonic() > over_at + (REST_S if came > MOST_AGAIN else 0):
                    return
            self.whole = tail.closed


def _info(jobs: JobsApi, job: str) -> Job:
    """The job, also where the API is away for a while."""
    gone = Unreachable(f"Ray's jobs API at {jobs.url} does not answer")
    for _ in naps(time.monotonic() + AWAY_S, longest_s=LONGEST_NAP_S):
        try:
            found = jobs.info(job)
        except Unreachable as error:
            gone = error
            continue
        if found is None:
            raise DaybreakError(
                f"job {job} is gone: the head that knew it was replaced", hint="jobs end with the head: submit it again"
            )
        return found
    raise gone


def ended(jobs: JobsApi, job: str) -> Job:
    """Wait until Ray says that it has ended. Raises DaybreakError where it does not."""
    for _ in naps(time.monotonic() + END_S, longest_s=LONGEST_NAP_S):
        found = _info(jobs, job)
        if found.is_over:
            return found
    raise DaybreakError(
        f"job {job} has not ended within {END_S:g} s", hint=f"`daybreak job status {job}` shows what becomes of it"
    )
