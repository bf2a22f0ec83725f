"""What has grown is split by meaning: files, functions and classes stay as large as one can read at once."""

from __future__ import annotations

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path

from tests.unit.sources import FILES, ROOT, nodes

MOST_LINES = 300
MEDIAN_LINES = 100
MOST_LINES_OF_A_FUNCTION = 40
MOST_METHODS = 15
# Tables: what may be written, value by value.
TABLES = {"spec/model.py", "services/service.py"}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def lines(path: Path) -> int:
    return path.read_text().count("\n")


def functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in nodes(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def classes(path: Path) -> Iterator[tuple[str, int]]:
    for node in nodes(path):
        if isinstance(node, ast.ClassDef):
            yield node.name, sum(isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) for child in node.body)


def test_no_file_is_too_long() -> None:
    found = {name(path): lines(path) for path in FILES if lines(path) > MOST_LINES and name(path) not in TABLES}
    assert not found


def test_most_files_are_short() -> None:
    assert statistics.median(lines(path) for path in FILES if lines(path) > 1) < MEDIAN_LINES


def test_no_function_is_too_long() -> None:
    found = [
        f"{name(path)}: {function}, {long} lines"
        for path in FILES
        for function, long in functions(path)
        if long > MOST_LINES_OF_A_FUNCTION
    ]
    assert not found


def test_no_class_does_everything() -> None:
    found = [
        f"{name(path)}: {called}, {methods} methods"
        for path in FILES
        for called, methods in classes(path)
        if methods > MOST_METHODS
    ]
    assert not found


def test_every_table_is_there() -> None:
    assert {name(path) for path in FILES} >= TABLES
