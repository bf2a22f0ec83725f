"""What a worker is started with, where it cannot be had at once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from daybreak.programs.warm import shortcut

LAUNCHER, REAL = "/state folder/warm/bin/python", "/env/bin/python"
SETUP = "/site/ray/_private/workers/setup_worker.py"


def asked(context: dict[str, Any]) -> dict[str, Any]:
    """The context that `setup_worker.py` is given in the end."""
    words = [SETUP, shortcut.CONTEXT_FLAG + json.dumps(context), "--language=PYTHON", "/site/default_worker.py", "--x"]
    request = {"program": {"kind": "script", "what": SETUP, "argv": words}, "executable": LAUNCHER, "env": {}}
    shortcut.apply(request, REAL)
    argv = request["program"]["argv"]  # type: ignore[index]
    assert [argv[0], *argv[2:]] == [words[0], *words[2:]]
    found: dict[str, Any] = json.loads(argv[1].removeprefix(shortcut.CONTEXT_FLAG))
    return found


@pytest.mark.parametrize(
    ("python", "prefix", "wanted"),
    [
        (None, [], f"'{LAUNCHER}'"),
        (REAL, ["cd", "/x", "&&"], f"'{LAUNCHER}'"),
        ("/pip/virtualenv/bin/python", ["source", "/pip/virtualenv/bin/activate", "&&"], "/pip/virtualenv/bin/python"),
        ("python", ["conda", "activate", "x", "&&"], "python"),
        ("nsys profile -o x python", [], "nsys profile -o x python"),
        ("uv run --no-project", [], "uv run --no-project"),
    ],
)
def test_a_worker_without_an_interpreter_of_its_own_is_forked(
    python: str | None, prefix: list[str], wanted: str
) -> None:
    context = {"command_prefix": prefix, "env_vars": {"A": "b"}, "py_executable": python}
    assert asked(context) == {**context, "py_executable": wanted}


def test_what_cannot_be_read_is_left_to_ray() -> None:
    for text in ("", "{", "[]"):
        word = shortcut.CONTEXT_FLAG + text
        assert shortcut.with_interpreter(word, LAUNCHER, REAL) == word
