"""All diagnoses at once, each in a thread and with a deadline: none of them holds up or spoils another."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from daybreak.errors import DaybreakError
from daybreak.extras.doctor.case import Case
from daybreak.extras.doctor.finding import Diagnosis, Finding, Severity, note


@dataclass(frozen=True)
class Result:
    """What came of one diagnosis. `made` is False where it could not be made; the one finding says why."""

    diagnosis: Diagnosis
    findings: tuple[Finding, ...]
    took_s: float
    made: bool = True

    @property
    def severity(self) -> Severity:
        return max((finding.severity for finding in self.findings), default=Severity.OK)

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.diagnosis.name,
            "about": self.diagnosis.about,
            "severity": str(self.severity),
            "made": self.made,
            "took_s": round(self.took_s, 3),
            "findings": [finding.to_json() for finding in self.findings],
        }


def run(case: Case, diagnoses: Sequence[Diagnosis]) -> list[Result]:
    """Make the diagnoses side by side; the results are in the order of `diagnoses`."""
    results: dict[str, Result] = {}
    began = time.monotonic()
    # Daemons: one that hangs in the kernel must not keep the command from ending.
    threads = [
        threading.Thread(target=_make, args=(case, diagnosis, results), name=diagnosis.name, daemon=True)
        for diagnosis in diagnoses
    ]
    for thread in threads:
        thread.start()
    for thread, diagnosis in zip(threads, diagnoses, strict=True):
        thread.join(max(0.0, began + diagnosis.deadline_s - time.monotonic()))
    return [results.get(diagnosis.name) or _too_late(diagnosis) for diagnosis in diagnoses]


def _make(case: Case, diagnosis: Diagnosis, results: dict[str, Result]) -> None:
    began = time.monotonic()
    try:
        findings, made = tuple(diagnosis.look(case)), True
    except Exception as error:  # whatever it is, the other diagnoses still count
        findings, made = (_not_made(diagnosis, _reason(error)),), False
    results[diagnosis.name] = Result(diagnosis, findings, time.monotonic() - began, made)


def _too_late(diagnosis: Diagnosis) -> Result:
    why = f"no answer within {diagnosis.deadline_s:g} s"
    return Result(diagnosis, (_not_made(diagnosis, why),), diagnosis.deadline_s, made=False)


def _not_made(diagnosis: Diagnosis, why: str) -> Finding:
    return note(f"could not be made: {why}", f"nothing is known about {diagnosis.about}")


def _reason(error: Exception) -> str:
    if isinstance(error, DaybreakError):
        return "; ".join([*error.details(), error.message][:1])
    return f"{type(error).__name__}: {error}"
