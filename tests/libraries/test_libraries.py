"""Real libraries, warm against cold: values, numbers of threads, randomness, open files, environment, search path.

They are installed by `make libraries` into an environment of their own; elsewhere there is nothing to test. What the
table in docs/libraries.md says is what the template said.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.faithful.template import CLEAN, REAL, Template, run, template, until
from tests.libraries.programs import HEAD, NUMBERS, PROGRAMS, READ_AT_IMPORT, TAIL, Program

pytest.importorskip("threadpoolctl", reason="the libraries are in an environment of their own: make libraries")

IMPORTS_S = 300.0
PROGRAM_S = 200.0
DOCS = Path(__file__).parents[2] / "docs" / "libraries.md"
ROW = re.compile(r"^\| (?P<name>[\w-]+) \| (?P<version>[^|]+) \| (?P<ahead>[^|]+) \|")


def _installed(program: Program) -> bool:
    try:
        return bool(importlib.metadata.version(program.distribution))
    except importlib.metadata.PackageNotFoundError:
        return False


INSTALLED = [program for program in PROGRAMS if _installed(program)]


@pytest.fixture(scope="module")
def warm() -> Iterator[Template]:
    """A template that has learned what all programs import."""
    with template(start=False) as made:
        learned = [name for program in INSTALLED for name in program.learned]
        place = Path(made.site.root) / "warm" / "learned.json"
        place.write_text(json.dumps({"modules": learned}))
        made.begin()
        until((made.folder / "state.json").exists, "state")
        until(lambda: made.state()["stage"] == "running", "warm template", IMPORTS_S)
        yield made


@pytest.mark.parametrize("env", NUMBERS, ids=lambda env: "-".join(env.values()) or "unset")
@pytest.mark.parametrize("program", INSTALLED, ids=lambda program: program.distribution)
def test_a_fork_has_what_a_process_of_its_own_has(warm: Template, program: Program, env: dict[str, str]) -> None:
    options: dict[str, Any] = {"env": CLEAN | env, "timeout": PROGRAM_S}
    text = HEAD + program.code + TAIL
    forked = [warm.run("-c", text, **options).value for _ in range(2)]
    real = warm.real("-c", text, **options).value
    for each in forked:
        assert (each["value"], each["files"], each["path"]) == (real["value"], real["files"], real["path"])
        assert each["threads"][0] == real["threads"][0]
        # More libraries are loaded in a fork than it has imported: theirs is not its number.
        for pools, expected in zip(each["threads"][1:], real["threads"][1:], strict=True):
            assert pools | expected == pools
        assert each["environment"] | real["environment"] == each["environment"]
    assert all(one != other for one, other in zip(forked[0]["draws"], forked[1]["draws"], strict=True))


@pytest.mark.parametrize(
    "program",
    [program for program in INSTALLED if program.distribution in READ_AT_IMPORT],
    ids=lambda program: program.distribution,
)
def test_a_variable_that_a_library_reads_when_it_is_imported_counts(
    warm: Template, program: Program, tmp_path: Path
) -> None:
    given = READ_AT_IMPORT[program.distribution]
    text = HEAD + program.code + TAIL
    said = []
    for place, way in enumerate((warm.launcher, REAL)):
        folder = tmp_path / str(place)
        folder.mkdir()
        env = CLEAN | {name: value.replace("FOLDER", str(folder)) for name, value in given.items()}
        found = run([way, *warm.argv("-c", text)], env=env, timeout=PROGRAM_S).value
        said.append((found["value"], found["threads"][0]))
    without = run([REAL, "-c", text], timeout=PROGRAM_S).value
    assert said[0] == said[1]
    assert said[1] != (without["value"], without["threads"][0])


def test_the_table_in_the_docs_is_what_the_template_says(warm: Template) -> None:
    rows = [found for line in DOCS.read_text().splitlines() if (found := ROW.match(line))]
    table = {row["name"]: (row["version"].strip(), row["ahead"].strip()) for row in rows}
    loaded = set(warm.order()["loaded"])
    for program in INSTALLED:
        ahead = "yes" if set(program.learned) <= loaded else "no"
        assert table[program.distribution] == (importlib.metadata.version(program.distribution), ahead)
