"""The versions of the application that a restart brings: each is Python, and says what it is."""

from __future__ import annotations

import ast

import pytest
from bench.restarts.code import FILE, app


def constants(text: str) -> dict[str, object]:
    found: dict[str, object] = {}
    for node in ast.parse(text).body:
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.targets[0], ast.Name)
        ):
            found[node.targets[0].id] = node.value.value
    return found


@pytest.mark.parametrize("version", ["1", "2"])
def test_a_good_version_differs_in_its_name_alone(version: str) -> None:
    assert constants(app(version)) == {**constants(FILE.read_text()), "VERSION": version}
    assert app("1") == FILE.read_text()


def test_bad_versions_are_bad_in_one_way_each() -> None:
    assert constants(app("2", healthy=False))["HEALTHY"] is False
    assert constants(app("2", answers=False))["ANSWERS"] is False
    assert isinstance(ast.parse(app("2", imports=False)).body[-1], ast.Raise)
