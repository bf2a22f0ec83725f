"""The story of a run: the steps of a plan are carried out, and where one fails, what this run had started is undone.

`up`, `scale`, `restart`, `down` and crash recovery all come through `reconcile`: it makes what runs equal to what is
wanted. What is independent runs together; a failure cancels its siblings and takes down what this run had started,
unless the caller asked to keep it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from daybreak.backends.base import Backend
from daybreak.errors import DaybreakError, Interrupted, StepFailed
from daybreak.run.change import Change, Result
from daybreak.run.execution import Execution
from daybreak.run.handover import Handover, Stages
from daybreak.run.plan import Plan
from daybreak.run.uninterrupted import uninterrupted
from daybreak.timeline.event import Kind
from daybreak.timeline.recorder import Recorder

Finish = Callable[[], Awaitable[None]]


async def reconcile(
    steps: Plan,
    change: Change,
    backend: Backend,
    record: Recorder,
    logs: Path,
    *,
    finish: Finish | None = None,
    handover: Handover | None = None,
) -> Result:
    """Carry out the steps that lead to the change; where all went well `finish` is waited for as the last one. Where a
    generation starts beside another one `handover` leads to it; when it has, nothing undoes it any more.

    Raises StepFailed where a service failed, Interrupted when cancelled; the error says what could not be undone.
    """
    record.emit(
        Kind.PLANNED,
        stop=[step.handle.service for step in steps.stop],
        start=[step.service.name for step in steps.start],
        keep=[handle.service for handle in steps.keep],
    )
    stages = Stages(handover) if handover else None
    execution = Execution(steps, change, backend, record, logs, stages)
    try:
        await execution.run()
        if finish and not execution.result.failures:
            await finish()
    except asyncio.CancelledError:
        if stages and stages.committed:
            await uninterrupted(execution.retire())
            return execution.result
        left = await uninterrupted(execution.undo("interrupted"))
        raise _interrupted(left) from None
    except BaseException:
        committed = stages is not None and stages.committed
        await uninterrupted(execution.retire() if committed else execution.undo("daybreak itself failed"))
        raise
    if execution.result.failures:
        raise StepFailed(await _failed(execution, change))
    return execution.result


async def _failed(execution: Execution, change: Change) -> list[DaybreakError]:
    """What has failed, and what of it could not be undone."""
    left: Sequence[str] = ()
    if not change.keep_on_failure:
        why = f"{execution.failures.culprits()} failed"
        left = await uninterrupted(execution.undo(why, but=execution.wanted_before()))
    return [*execution.result.failures, *map(_not_undone, left)]


def _interrupted(left: Sequence[str]) -> Interrupted:
    if not left:
        return Interrupted("interrupted; what this run had started was taken down again")
    return Interrupted(
        f"interrupted; what this run had started was taken down again, but {'; '.join(left)}", hint=_LEFT_HINT
    )


_LEFT_HINT = "see it with `daybreak status`; `daybreak down` tries again"


def _not_undone(what: str) -> DaybreakError:
    return DaybreakError(f"not everything was taken down again: {what}", hint=_LEFT_HINT)
