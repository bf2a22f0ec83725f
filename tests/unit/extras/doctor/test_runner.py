"""Diagnoses do not get in each other's way, and what they say reads well."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from daybreak.errors import PreflightError
from daybreak.extras.doctor import render, runner
from daybreak.extras.doctor.case import Case
from daybreak.extras.doctor.finding import Diagnosis, Finding, Severity, error, note, ok, warning
from tests.unit.extras.doctor.conftest import MakeCase


def diagnosis(name: str, *findings: Finding) -> Diagnosis:
    return Diagnosis(name, f"about {name}", lambda case: findings)


def broken(case: Case) -> Iterator[Finding]:
    yield ok("so far")
    raise OSError(5, "Input/output error")


def refusing(case: Case) -> Iterator[Finding]:
    raise PreflightError(["Ray is not installed for /opt/python"])


def plain(severity: Severity, word: str) -> str:
    return word


def test_one_that_raises_is_told_and_the_others_are_made(make_case: MakeCase) -> None:
    diagnoses = [
        Diagnosis("broken", "disks", broken),
        Diagnosis("refusing", "Ray", refusing),
        diagnosis("good", ok("fine")),
    ]
    first, second, third = runner.run(make_case(), diagnoses)
    assert (first.made, first.severity) == (False, Severity.NOTE)
    assert first.findings[0].found == "could not be made: OSError: [Errno 5] Input/output error"
    assert first.findings[0].why == "nothing is known about disks"
    assert second.findings[0].found == "could not be made: Ray is not installed for /opt/python"
    assert (third.made, third.findings) == (True, (ok("fine"),))


def test_one_that_hangs_is_left_behind_after_its_deadline(make_case: MakeCase) -> None:
    forever = threading.Event()

    def hang(case: Case) -> Iterator[Finding]:
        forever.wait()
        yield ok("at last")

    try:
        hanging, good = runner.run(make_case(), [Diagnosis("hanging", "it", hang, 0.05), diagnosis("good", ok("fine"))])
    finally:
        forever.set()
    assert not hanging.made
    assert hanging.findings[0].found == "could not be made: no answer within 0.05 s"
    assert good.made


def test_all_are_made_at_the_same_time(make_case: MakeCase) -> None:
    together = threading.Barrier(3)

    def meet(case: Case) -> Iterator[Finding]:
        together.wait(timeout=60)
        yield ok("met")

    assert all(result.made for result in runner.run(make_case(), [Diagnosis(f"{n}", "it", meet, 60.0) for n in "abc"]))


def shown(case: Case, *diagnoses: Diagnosis, verbose: bool = False) -> list[str]:
    return list(render.lines(case, runner.run(case, diagnoses), 0.25, verbose=verbose, style=plain))


def test_where_nothing_is_wrong_there_is_one_line(make_case: MakeCase) -> None:
    good, noted = diagnosis("good", ok("fine")), diagnosis("noted", note("by the way", "it is so", "do this"))
    assert shown(make_case(), good) == ["it (not running): healthy (1 diagnosis in 250 ms)"]
    assert shown(make_case(), good, noted) == [
        "it (not running): healthy, 1 note (2 diagnoses in 250 ms); -v shows all",
    ]
    assert shown(make_case(), good, noted, verbose=True) == [
        "ok      good  fine",
        "note    noted by the way",
        "  why:  it is so",
        "  mend: do this",
        "it (not running): healthy, 1 note (2 diagnoses in 250 ms)",
    ]


def test_the_worst_stands_first_with_its_lines_reason_and_commands(make_case: MakeCase) -> None:
    warned = diagnosis("slow", warning("slow disk", "commits wait", "buy one"))
    wrong = diagnosis("head", error("head is down", "nothing works", "one", "two", lines=["ValueError: no"]))
    assert shown(make_case(), warned, wrong) == [
        "error: head: head is down",
        "  | ValueError: no",
        "  why:  nothing works",
        "  mend: one",
        "        two",
        "warning: slow: slow disk",
        "  why:  commits wait",
        "  mend: buy one",
        "it (not running): 1 error, 1 warning (2 diagnoses in 250 ms)",
    ]


@pytest.mark.parametrize("severity", list(Severity))
def test_the_worst_severity_counts_for_all(make_case: MakeCase, severity: Severity) -> None:
    case = make_case()
    diagnoses = [diagnosis("good", ok("fine")), diagnosis("other", Finding(severity, "found", "why", ("mend",)))]
    results = runner.run(case, diagnoses)
    assert render.worst(results) is severity
    as_json = render.to_json(case, results, 0.25)
    assert as_json["severity"] == str(severity)
    assert as_json["diagnoses"][1]["findings"] == [
        {"severity": str(severity), "found": "found", "why": "why", "mend": ["mend"], "lines": []}
    ]
