"""The table in the documentation is the registry."""

from __future__ import annotations

from pathlib import Path

from daybreak.extras.doctor.registry import DIAGNOSES

DOCS = Path(__file__).parents[4] / "docs" / "doctor.md"


def test_every_diagnosis_is_in_the_docs_with_what_it_looks_at() -> None:
    lines = DOCS.read_text().splitlines()
    begin = lines.index("| diagnosis | looks at | says |")
    rows = []
    for line in lines[begin + 2 :]:
        if not line.startswith("|"):
            break
        name, about, _ = (cell.strip() for cell in line.strip("|").split(" | "))
        rows.append((name.strip("`"), about))
    assert rows == [(diagnosis.name, diagnosis.about) for diagnosis in DIAGNOSES]


def test_names_are_told_once() -> None:
    assert len({diagnosis.name for diagnosis in DIAGNOSES}) == len(DIAGNOSES)
