"""The results as lines of plain text, and as JSON values. Prints nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from daybreak.extras.doctor.case import Case
from daybreak.extras.doctor.finding import Finding, Severity
from daybreak.extras.doctor.runner import Result
from daybreak.show.text import harmless, plural, seconds

Style = Callable[[Severity, str], str]


def lines(case: Case, results: Sequence[Result], took_s: float, *, verbose: bool, style: Style) -> Iterator[str]:
    """Warnings and errors, the worst first, then one line for all; everything where `verbose`.

    `style` colours the word for a severity, or leaves it as it is.
    """
    found = [(result, finding) for result in results for finding in result.findings]
    shown = [pair for pair in found if verbose or pair[1].severity >= Severity.WARNING]
    width = max((len(result.diagnosis.name) for result, _ in shown), default=0) if verbose else 0
    for result, finding in sorted(shown, key=lambda pair: -pair[1].severity) if not verbose else shown:
        yield from _finding(result, finding, width, style)
    yield _summary(case, results, took_s, verbose)


def _finding(result: Result, finding: Finding, width: int, style: Style) -> Iterator[str]:
    word = style(finding.severity, f"{finding.severity!s:<7}" if width else str(finding.severity))
    gap = " " if width else ": "
    yield f"{word}{gap}{result.diagnosis.name:<{width}}{gap}{harmless(finding.found)}"
    for line in finding.lines:
        yield f"  | {harmless(line)}"
    if finding.why:
        yield f"  why:  {harmless(finding.why)}"
    for number, line in enumerate(finding.mend):
        yield f"  {'mend:' if number == 0 else '     '} {line}"


def _summary(case: Case, results: Sequence[Result], took_s: float, verbose: bool) -> str:
    counts = Counter(finding.severity for result in results for finding in result.findings)
    state = "running" if case.running else "not running"
    bad = [
        plural(counts[severity], str(severity)) for severity in (Severity.ERROR, Severity.WARNING) if counts[severity]
    ]
    said = ", ".join(bad) if bad else "healthy"
    if counts[Severity.NOTE]:
        said += f", {plural(counts[Severity.NOTE], 'note')}"
    more = "" if verbose or not counts[Severity.NOTE] else "; -v shows all"
    made = "1 diagnosis" if len(results) == 1 else f"{len(results)} diagnoses"
    return f"{case.name} ({state}): {said} ({made} in {seconds(took_s)}){more}"


def to_json(case: Case, results: Sequence[Result], took_s: float) -> dict[str, Any]:
    """`cluster`, `running`, `file`, `severity` (the worst), `took_s` and `diagnoses`."""
    return {
        "cluster": case.name,
        "running": case.running,
        "file": str(case.file) if case.file else None,
        "severity": str(worst(results)),
        "took_s": round(took_s, 3),
        "diagnoses": [result.to_json() for result in results],
    }


def worst(results: Sequence[Result]) -> Severity:
    """The worst of all findings."""
    return max((result.severity for result in results), default=Severity.OK)
