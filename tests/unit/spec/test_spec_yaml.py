"""Files that are no spec: no YAML, odd YAML, no text, no file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from daybreak.errors import Problem, SpecError
from daybreak.spec.load import load_spec

Problems = Callable[..., tuple[Problem, ...]]


@pytest.mark.parametrize(
    ("text", "line", "message", "hint"),
    [
        ("", None, "is empty", None),
        ("# nothing\n", None, "is empty", None),
        ("- a\n", 1, "must be a mapping of keys to values", None),
        ("\nhello\n", 2, "must be a mapping of keys to values", None),
        ("a: 1\nb: [1,\nc: 2\n", 4, "is not valid YAML: did not find expected", None),
        ("a: 'x\nb: 2\n", 3, "that begins on line 1", None),
        ("a:\n\tb: 1\n", 2, "cannot start any token", "indent with spaces, not tabs"),
        ("a: @x\n", 1, "cannot start any token", "put text that begins with @, % or ` in quotes"),
        ("a: 1\n b: 2\n", 2, "mapping values are not allowed", "check the indentation, and put text that holds"),
        ("a: 1\n---\nb: 2\n", 2, "another document", None),
        ("a: *x\n", 1, "undefined alias", None),
        ("a: \x01\n", None, "control characters are not allowed", None),
    ],
)
def test_no_yaml(problems: Problems, text: str, line: int | None, message: str, hint: str | None) -> None:
    (problem,) = problems(text)
    assert message in problem.message
    assert problem.line == line
    assert (problem.hint or "").startswith(hint or "") or problem.hint == hint
    assert problem.file.endswith("daybreak.yaml")


@pytest.mark.parametrize(
    ("text", "key", "line", "message"),
    [
        ("name: a\nhead:\n  env:\n    A: !secret x\n", "head.env.A", 4, "the tag !secret is not understood"),
        ("name: a\nhead: !!python/dict {}\n", "head", 2, "the tag !!python/dict is not understood"),
        ("name: a\nhead:\n  gpus: !!int x\n", "head.gpus", 3, "'x' does not fit its tag !!int"),
        ("name: a\n? [1, 2]\n: x\n", "", 2, "a key must be plain text"),
        ("name: a\nhead: &h\n  env: {A: *h}\n", "head.env.A", 2, "refers to itself"),
    ],
)
def test_odd_yaml(problems: Problems, text: str, key: str, line: int, message: str) -> None:
    assert [(problem.key, problem.line, problem.message) for problem in problems(text)][:1] == [(key, line, message)]


def test_aliases_of_aliases_end(problems: Problems) -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    for level in range(1, 9):
        bomb += f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n"
    assert problems(bomb)[0].message == "holds more than 100000 values"


def test_deep_nesting_ends(problems: Problems) -> None:
    assert problems("a: " + "[" * 3000 + "]" * 3000)[0].message == "is nested too deeply, or refers to itself"
    for deep in ("a: " + "[" * 100_000, "- " * 50_000 + "a", "a: " + "{b: " * 20_000):
        assert problems(deep)[0].message == "is nested too deeply, or refers to itself"
    assert "deep" not in problems("a: " + "x" * 20_000)[0].message


def test_the_second_of_two_keys_counts(problems: Problems) -> None:
    found = problems("name: a\nworkers:\n  count: 1\n  count: x\n")
    assert [(problem.line, problem.message) for problem in found] == [
        (4, "written twice, first on line 3"),
        (4, "give a whole number, not 'x'"),
    ]


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        load_spec(tmp_path / "none.yaml")
    assert caught.value.details() == [f"{tmp_path}/none.yaml: no such file"]
    assert "daybreak init" in (caught.value.hint or "")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="cannot be read: Is a directory; nothing was changed"):
        load_spec(tmp_path)


def test_other_encodings_are_named(tmp_path: Path) -> None:
    file = tmp_path / "daybreak.yaml"
    file.write_bytes("name: a\nlisten: ä\n".encode("latin-1"))
    with pytest.raises(SpecError) as caught:
        load_spec(file)
    (problem,) = caught.value.problems
    assert (problem.message, problem.line) == ("is not UTF-8 text", 2)


def test_a_byte_order_mark_is_no_problem(tmp_path: Path) -> None:
    file = tmp_path / "daybreak.yaml"
    file.write_bytes(b"\xef\xbb\xbfname: a\n")
    assert load_spec(file).spec.name == "a"
