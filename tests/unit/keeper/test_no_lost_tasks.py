"""Every task of the keeper and the backends has somebody who learns of its end."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import daybreak

ROOT = Path(daybreak.__file__).parent
FILES = sorted(path for room in ("keeper", "backends", "run", "health") for path in (ROOT / room).rglob("*.py"))
MAKE_TASKS = ("create_task", "ensure_future", "run_coroutine_threadsafe")
# Where a task is what an object is about, and another of its methods waits for it.
AWAITED_ELSEWHERE = {
    ("keeper/runner.py", "start"),
    ("keeper/background.py", "keep"),
    ("keeper/ssh/session.py", "__init__"),
    ("health/wait.py", "wait_until"),
}


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def makers(function: ast.AST) -> list[ast.Call]:
    return [
        node
        for node in ast.walk(function)
        if isinstance(node, ast.Call)
        and getattr(node.func, "attr", getattr(node.func, "id", "")) in MAKE_TASKS
        and not (isinstance(node.func, ast.Attribute) and getattr(node.func.value, "id", "") == "group")
    ]


def names_awaited(function: ast.AST) -> set[str]:
    """Names that stand in an `await`, or whose result is asked for, or that are cancelled when the function ends."""
    asks = [node.func.value for node in ast.walk(function) if _asks(node)]  # type: ignore[attr-defined]
    waits = [node for node in ast.walk(function) if isinstance(node, ast.Await)]
    return {name.id for part in (*waits, *asks) for name in ast.walk(part) if isinstance(name, ast.Name)}


def _asks(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("result", "cancel")
    )


def test_every_task_is_awaited_where_it_is_made_or_has_an_owner() -> None:
    lost = []
    for path in FILES:
        for function in functions(path):
            made = makers(function)
            if not made or (str(path.relative_to(ROOT)), function.name) in AWAITED_ELSEWHERE:
                continue
            assigned = {
                target.id
                for node in ast.walk(function)
                if isinstance(node, ast.Assign) and any(call in made for call in ast.walk(node.value))
                for target in node.targets
                if isinstance(target, ast.Name)
            }
            if not assigned or not assigned <= names_awaited(function):
                lost.append(f"{path.relative_to(ROOT)}: {function.name}")
    assert not lost
