"""A new generation answers the last requests of people before it gets any: those that the gateway has kept.

Old and new are asked side by side, at the same time of the day: what they answered earlier says little of either.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from daybreak.health import http
from daybreak.health.tail import sizes
from daybreak.keeper.gateway.request_samples import KeptRequest, KeptRequests
from daybreak.keeper.generations.warm_up import FAILS, not_well
from daybreak.names import GATEWAY, SERVE
from daybreak.run.rehearsal import Told, difference
from daybreak.services.build import Cluster
from daybreak.timeline.event import Kind
from daybreak.timeline.recorder import Recorder

# One answer may take so long, and all of them together.
DEADLINE_S, MOST_S = 10.0, 30.0
# So often a request is asked that seems to be answered otherwise, each time after a longer pause.
TRIES, PAUSE_S = 5, 0.1
# After so many the rest says nothing new.
MOST_DIFFERENCES = 3
# Larger answers are compared as far as that.
MOST_BYTES = 1024 * 1024


@dataclass
class Rehearsal:
    """Asks a generation of `cluster`. `note` tells whoever waits; `rehearsed` is how many requests were compared."""

    kept: KeptRequests
    cluster: Cluster
    note: Callable[[str], None]
    rehearsed: int = 0

    async def __call__(self, old: str, new: str, record: Recorder) -> None:
        """`old` and `new` are where both answer. Raises DaybreakError where the new one answers otherwise."""
        requests = self.kept.newest_first()
        if not requests:
            self._tell(record, "nothing to rehearse: the gateway has kept no request yet")
            return
        logs = sizes(next(one for one in self.cluster.services if one.name == SERVE).logs)
        loop = asyncio.get_running_loop()
        end, left_out, asked = loop.time() + MOST_S, 0, 0
        found: list[str] = []
        for request in requests:
            if loop.time() >= end or len(found) == MOST_DIFFERENCES:
                break
            asked += 1
            why = await self._compare(old + request.target, new + request.target, request)
            left_out += why is None
            self.rehearsed += why is not None
            if why:
                found.append(f"GET {request.shown}: {why}")
        if found:
            count = f"{len(found)} of {self.rehearsed} rehearsed requests"
            said = f"the new version answers {count} otherwise: {'; '.join(found)}"
            raise not_well(self.cluster, said, logs, other_lines=False)
        self._tell(record, _summary(self.rehearsed, left_out, len(requests) - asked))

    async def _compare(self, old: str, new: str, request: KeptRequest) -> str | None:
        """What the new version answers otherwise, in words; None where the old one does not answer well."""
        percent = self.cluster.spec.gateway.rehearse.size_percent
        before: list[Told] = []
        after: list[Told] = []
        why = ""
        for number in range(TRIES):
            await asyncio.sleep(number * PAUSE_S)
            expected = await _ask(old, request)
            if isinstance(expected, str) or expected.status >= FAILS:
                return None
            before.append(expected)
            told = await _ask(new, request)
            if isinstance(told, Told):
                after.append(told)
            why = difference(before, after, percent) if after else f"no answer ({told}) instead of {expected.status}"
            if not why or told == _late():
                break
        return why

    def _tell(self, record: Recorder, text: str) -> None:
        record.emit(Kind.NOTE, GATEWAY, text=text)
        self.note(text)


async def _ask(url: str, request: KeptRequest) -> Told | str:
    """The answer, or why there is none."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        async with asyncio.timeout(DEADLINE_S):
            got = await http.get(url, headers=request.headers, most_bytes=MOST_BYTES, any_certificate=True)
    except TimeoutError:
        return _late()
    except OSError as error:
        return error.strerror or "the connection ended before it"  # the text itself has the URL
    except ValueError:
        return "it cannot be asked for"
    kind = got.content_type.partition(";")[0].strip().lower()
    return Told(got.status, kind, got.size, (loop.time() - began) * 1000)


def _late() -> str:
    return f"nothing within {DEADLINE_S:g} s"


def _summary(rehearsed: int, left_out: int, not_asked: int) -> str:
    text = f"rehearsed: {rehearsed:,} of the last requests are answered alike"
    if left_out:
        text += f"; {left_out:,} left out, which the old version does not answer well now"
    return f"{text}; {not_asked:,} not asked: {MOST_S:g} s were over" if not_asked else text
