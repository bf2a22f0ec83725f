"""Is there a keeper where one is needed, and does it answer?"""

from __future__ import annotations

from collections.abc import Iterator

from daybreak.extras.doctor.case import Case
from daybreak.extras.doctor.diagnoses.locks import holder_of
from daybreak.extras.doctor.finding import Finding, error, ok, warning
from daybreak.show.text import plural


def look(case: Case) -> Iterator[Finding]:
    """A keeper that is stuck, or services that run without one."""
    if case.silent:
        pid = holder_of(case.paths.lock)
        yield error(
            f"{case.silent}{f' (pid {pid})' if pid else ''}",
            "no command of this cluster works; the services go on without it",
            f"kill -KILL {pid} && {case.command('status')}" if pid else "ps -ef | grep daybreak.keeper",
        )
    elif case.snapshot:
        yield ok(f"pid {case.keeper_pid} answers")
    elif case.living:
        names = ", ".join(handle.service for handle in case.living)
        yield warning(
            f"{plural(len(case.living), 'service')} without a keeper: {names}",
            "the keeper was killed: what crashes now is not started again",
            case.command("status"),
        )
    else:
        yield ok("none is needed: nothing runs")
