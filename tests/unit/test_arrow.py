"""Rooms import along the arrow only: spec -> services -> plan -> backends, health -> timeline -> report."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import daybreak

ROOT = Path(daybreak.__file__).parent
# What each room may import from; a room may always use itself.
BASICS = {"errors", "paths", "redact", ""}
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "paths": set(),
    "redact": set(),
    "spec": set(),
    "services": {"spec"},
    "engine": set(),
    "backends": {"services", "engine"},
    "survey": {"spec", "services", "engine", "images"},
    "plan": {"services", "backends"},
    "health": {"services", "backends", "rayside"},
    "timeline": {"services", "backends", "health"},
    "report": {"timeline", "sweep"},
    "doctor": {"spec", "services", "backends", "survey", "health", "timeline", "report", "engine"},
    "sweep": {"health"},
    "images": {"engine"},
    "export": {"spec", "services", "images"},
    "logs": set(),
    "page": {"timeline", "report", "logs"},
    "testing": set(),
    "rayside": set(),
    "warm": set(),
}
# Only these join rooms.
JOINERS = {"reconcile", "keeper", "cli", "api", ""}


def room_of(path: Path) -> str:
    first = path.relative_to(ROOT).parts[0]
    return first.removesuffix(".py").replace("__init__", "")


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "daybreak":
            parts = (node.module or "").split(".")
            found |= {parts[1]} if len(parts) > 1 else {_room_of_name(alias.name) for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("daybreak.")}
    return found


def _room_of_name(name: str) -> str:
    """`from daybreak import x`: a room or module of that name, else the package itself."""
    return name if (ROOT / name).is_dir() or (ROOT / f"{name}.py").exists() else ""


FILES = sorted(ROOT.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(ROOT)) for path in FILES])
def test_imports_follow_the_arrow(path: Path) -> None:
    room = room_of(path)
    if room in JOINERS:
        return
    wrong = imports_of(path) - ALLOWED[room] - BASICS - {room}
    assert not wrong, f"{room} must not import {', '.join(sorted(wrong))}"


def test_only_the_command_line_prints_or_exits() -> None:
    for path in FILES:
        if {room_of(path), path.parent.name} & {"cli", "rayside", "warm", "programs"} or path.name == "__main__.py":
            continue
        calls = {
            node.func.id
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        if path.name in ("schema.py", "progress.py"):
            calls.discard("print")  # one writes the schema as a program, the other to the stream it was given
        assert not calls & {"print", "exit"}, path


def test_every_room_is_in_the_table() -> None:
    rooms = {room_of(path) for path in FILES}
    assert rooms <= set(ALLOWED) | JOINERS
