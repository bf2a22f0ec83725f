"""Programs run as files, by interpreters that have no daybreak, and beside a user's modules of any name."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import daybreak

PROGRAMS = Path(daybreak.__file__).parent / "programs"
MARK = "if not __package__:"
RUN_AS_FILES = sorted(path for path in PROGRAMS.rglob("*.py") if MARK in path.read_text())


def head_of(path: Path) -> str:
    """How a program finds its neighbours."""
    text = path.read_text()
    node = next(node for node in ast.parse(text).body if isinstance(node, ast.If))
    return (ast.get_source_segment(text, node) or "").replace(f"daybreak_programs.{path.parent.name}", "HERE")


def test_all_find_their_neighbours_in_the_same_way() -> None:
    assert len(RUN_AS_FILES) > 4
    assert len({head_of(path) for path in RUN_AS_FILES}) == 1


@pytest.mark.parametrize("path", RUN_AS_FILES, ids=lambda path: path.name)
def test_its_folder_is_not_where_modules_are_looked_for(path: Path, tmp_path: Path) -> None:
    """Ray itself imports `requests` and many others, which may be called as a file beside the program is."""
    copied = shutil.copytree(PROGRAMS, tmp_path / "programs", ignore=shutil.ignore_patterns("__pycache__"))
    program = copied / path.relative_to(PROGRAMS)
    text = program.read_text()
    program.write_text(text[: text.index("\nfrom .")] + "\nprint(*sys.path, sep='\\n')\n")
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout
    assert str(program.parent) not in done.stdout.splitlines()


@pytest.mark.parametrize("path", RUN_AS_FILES, ids=lambda path: path.name)
def test_it_runs_without_daybreak_and_takes_no_name_of_a_users_module(path: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(PROGRAMS, tmp_path / "programs", ignore=shutil.ignore_patterns("__pycache__"))
    text = f"""
import runpy, sys
before = set(sys.path)
found = runpy.run_path({str(copied / path.relative_to(PROGRAMS))!r}, run_name="loaded")
own = [name for name in sys.modules if "daybreak" in name and not name.startswith("daybreak_programs")]
own += [name for name in ("common", "node", "deploy", "loading", "proc", "shortage") if name in sys.modules]
print(own, set(sys.path) - before)
"""
    done = subprocess.run([sys.executable, "-IS", "-c", text], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "[] set()\n", done.stderr
