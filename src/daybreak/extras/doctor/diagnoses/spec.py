"""Is the spec's file valid?"""

from __future__ import annotations

from collections.abc import Iterator

from daybreak.extras.doctor.case import Case
from daybreak.extras.doctor.finding import Finding, error, ok
from daybreak.show.text import plural


def look(case: Case) -> Iterator[Finding]:
    """Every problem that `up` would refuse the spec for."""
    if case.problems:
        yield error(
            f"{case.file} has {plural(len(case.problems), 'problem')}",
            "`up`, `restart` and `plan` refuse it",
            f"# correct {case.file}; `daybreak plan` says when it is valid",
            lines=map(str, case.problems),
        )
    elif case.of_file:
        yield ok(f"{case.file} is valid")
    else:
        yield ok("the spec of the last `up` counts" if case.given else "there is no daybreak.yaml here; defaults count")
