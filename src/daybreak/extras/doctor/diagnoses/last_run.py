"""Did the last start, restart or change end well?"""

from __future__ import annotations

import time
from collections.abc import Iterator

from daybreak.extras.doctor.case import Case
from daybreak.extras.doctor.finding import Finding, ok, warning
from daybreak.show.text import ago
from daybreak.timeline.event import Outcome, RunKind
from daybreak.timeline.reader import Reader

KINDS = (RunKind.STARTUP, RunKind.RESTART, RunKind.CHANGE, RunKind.RECOVERY)
LOOKED_AT = 20


def look(case: Case) -> Iterator[Finding]:
    """The newest run that was to make something run; a stop, and the measurements of a failed one, say nothing."""
    with Reader(case.paths.timeline) as store:
        run = next((run for run in store.runs(limit=LOOKED_AT) if run.kind in KINDS), None)
    if run is None:
        yield ok("nothing was started yet")
    elif run.outcome is Outcome.FAILED:
        yield warning(
            f"the last {run.kind} failed {ago(run.began_wall, time.time())}: {run.error or 'without a reason'}",
            "the next one fails for the same reason unless that has gone",
            case.command("logs"),
            case.command("up"),
        )
    else:
        yield ok(f"the last {run.kind}, {ago(run.began_wall, time.time())}: {run.outcome}")
