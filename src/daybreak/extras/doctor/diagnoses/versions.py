"""Which daybreak, Ray and Python are installed, and does the running cluster have the same?"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from typing import Any

from daybreak import __version__
from daybreak.errors import DaybreakError, SpecError
from daybreak.extras.doctor.case import Case
from daybreak.extras.doctor.finding import Finding, error, ok, warning
from daybreak.timeline.reader import Reader

OLDEST_RAY = (2, 20)


def look(case: Case) -> Iterator[Finding]:
    """The installed versions, then what differs from them in the running cluster."""
    try:
        ray = case.ray
    except DaybreakError as refused:
        yield _no_ray(refused)
        return
    if ray.release < OLDEST_RAY:
        yield warning(
            f"Ray {ray.version} is older than {'.'.join(map(str, OLDEST_RAY))}",
            "no test has been made with it",
            f'{ray.python} -m pip install --upgrade "ray[default,serve]"',
        )
    differing = list(_differing(case, ray.version))
    yield from differing
    if not differing:
        yield ok(f"daybreak {__version__}, Ray {ray.version}, Python {platform.python_version()} ({ray.python})")


def _no_ray(refused: DaybreakError) -> Finding:
    hints = [problem.hint for problem in refused.problems] if isinstance(refused, SpecError) else [refused.hint]
    mend = [hint for hint in hints if hint] or ["# correct `ray` in the spec"]
    return error("; ".join(refused.details()) or refused.message, "nothing starts without Ray", *mend)


def _differing(case: Case, ray: str) -> Iterator[Finding]:
    if not case.running:
        return
    running = _running(case)
    if running.get("ray") not in (None, ray):
        yield warning(
            f"the cluster runs Ray {running['ray']}, Ray {ray} is installed now",
            "Ray's processes that start later are of another version than those that run, which Ray refuses",
            case.command("restart"),
        )
    if running.get("daybreak") not in (None, __version__):
        pid = case.keeper_pid
        yield warning(
            f"the keeper is daybreak {running['daybreak']}, this command is {__version__}",
            "a keeper of another version may not understand this command; the services do not end with it",
            f"kill {pid} && {case.command('status')}" if pid else case.command("status"),
        )


def _running(case: Case) -> Mapping[str, Any]:
    """The versions of what runs: the keeper's own word, else what stands beside the last run."""
    with Reader(case.paths.timeline) as store:
        last = store.runs(limit=1)
    recorded = dict(last[0].versions) if last else {}
    now = case.snapshot
    said = {"daybreak": now.daybreak, "ray": now.ray} if now else {}
    return recorded | {name: version for name, version in said.items() if version}
