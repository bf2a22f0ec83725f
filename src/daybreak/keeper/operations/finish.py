"""`finish`: what an earlier keeper was killed in the middle of is brought to its end.

A new keeper begins it by itself; a command whose keeper was killed asks for it, to be told how it ends.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from daybreak.errors import DaybreakError, Interrupted
from daybreak.keeper.backends.both_backends import Backends
from daybreak.keeper.control.request import Request
from daybreak.keeper.followers import Followers
from daybreak.keeper.operations.apply import Apply
from daybreak.keeper.operations.down import Down
from daybreak.keeper.recovery.unfinished import unfinished
from daybreak.keeper.runner import Operation, Runner
from daybreak.keeper.runs.measured_runs import MeasuredRuns
from daybreak.keeper.wanted.wanted_state import Errand, UnderWay
from daybreak.timeline.event import Kind, RunKind
from daybreak.timeline.recorder import Recorder


@dataclass
class Finish:
    """Finishes it once. Whoever asks later is told what became of it: `finished` is the pid of the command that it was
    begun for, or of the last one that was done before; None where that is nobody's."""

    backends: Backends
    followers: Followers
    runner: Runner
    measured: MeasuredRuns
    apply: Apply
    down: Down
    record: Recorder
    _ended: DaybreakError | dict[str, Any] = field(default_factory=dict)

    async def __call__(self, _: Request, operation: Operation) -> dict[str, Any]:
        async with self.runner.turn(operation):
            state = self.followers.desired.state
            if state and state.under_way:
                try:
                    done = await self._finish(state.under_way, operation)
                    self._ended = {**done, "finished": state.under_way.pid}
                except DaybreakError as error:
                    self._ended = error
                    raise
            if isinstance(self._ended, DaybreakError):
                raise self._ended
            last = state.changed_for if state and state.settled else None
            return {"finished": last, **self._ended, "status": self.measured.snapshot().to_json()}

    async def _finish(self, under_way: UnderWay, operation: Operation) -> dict[str, Any]:
        operation.pid = under_way.pid  # where this keeper is killed as well, the next one knows for whom
        if under_way.errand is Errand.STOP:
            operation.kind = RunKind.STOP
            return await self.down.stop(Request("down"), operation)
        observed = self.followers.here(await self.backends.observe())
        prepared = await unfinished(self.followers, under_way, observed)
        operation.kind = prepared.kind
        self.record.emit(Kind.NOTE, text="an earlier keeper was killed in the middle of a change: it is finished")
        try:
            return await self.apply.carry_out(operation, prepared)
        except DaybreakError as error:
            if prepared.before is None and not under_way.keep and not isinstance(error, Interrupted):
                # A first start that fails leaves nothing.
                await self.down.stop(Request("down"), operation)
            raise
