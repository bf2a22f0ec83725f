"""Rooms import along the arrow only: spec -> services -> run -> backends, health -> timeline -> show."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.unit.sources import FILES, ROOT, nodes

# Folders that only hold rooms.
SHELVES = {"extras", "programs", "show"}
# Of the interpreter that runs the application, where the user has asked for it.
DEBUGGER = ("debugpy", "pydevd")
# What every room may import; a room may always use itself, and modules of the shelf that it stands on.
BASICS = {"accepting", "errors", "files", "hosts", "names", "naps", "paths", "redact", "states", ""}
ALLOWED: dict[str, set[str]] = {
    "spec": set(),
    "services": {"spec", "programs.warm"},
    "docker": set(),
    "backends": {"services", "docker", "programs.common", "programs.warm"},
    "machine": {"spec", "services", "docker", "programs.common"},
    "health": {"services", "backends", "programs.deploy", "show.logs"},
    "timeline": {"services", "backends", "health"},
    "show": {"timeline", "extras.sweep"},
    "show.logs": set(),
    "show.page": {"timeline", "show.logs"},
    "show.plots": {"timeline", "extras.sweep"},
    "extras.init_from": {"spec"},
    "extras.dev": {"spec"},
    "extras.doctor": {"spec", "services", "backends", "machine", "health", "timeline", "show", "show.logs", "docker"},
    "extras.export": {"spec", "services", "docker"},
    "extras.jobs": {"extras.dev"},
    "extras.pytest": {"api", "extras.dev", "spec", "machine", "show.logs"},
    "extras.sweep": {"health"},
    "extras.backup": {"services", "docker", "machine"},
    "testing": set(),
}
# Only these join rooms; but what decides the order of a run looks at nothing else.
JOINERS = {"run", "keeper", "cli", "api", ""}
# The keeper's rooms and its own files, in an order in which each imports those before it.
KEEPER = (
    *("control", "background", "runner", "gateway", "page", "backends", "wanted", "ray", "supervision", "alerting"),
    *("followers", "housekeeping", "runs", "versions", "planning", "schedules", "recovery", "generations", "hosts"),
    *("ssh", "status", "operations", "assembly", "daemon", "loop_errors", "__main__"),
)
PURE = {"run/plan.py": {"services", "backends"}}


def room_of(path: Path) -> str:
    return _room(path.relative_to(ROOT).with_suffix("").parts)


def _room(parts: tuple[str, ...]) -> str:
    """The room of a module below the package, as its folders; of a shelf's own module the shelf."""
    if not parts or parts[0] == "__init__":
        return ""
    if parts[0] in SHELVES and len(parts) > 1 and (ROOT / parts[0] / parts[1]).is_dir():
        return ".".join(parts[:2])
    return parts[0]


def imports_of(path: Path) -> set[str]:
    """The rooms that a file imports from: at its top, in functions, and by a name in a text."""
    return {_room(_module(parts)) for parts in _imported(path) if parts[0] == "daybreak"}


def _imported(path: Path) -> Iterator[tuple[str, ...]]:
    """Every module that a file imports, as absolute names; what comes after a module's name may be something in it."""
    here = ("daybreak", *path.relative_to(ROOT).parts[:-1])
    for node in nodes(path):
        if isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else ()
            base += tuple(filter(None, (node.module or "").split(".")))
            yield from ((*base, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.Call) and "import_module" in ast.unparse(node.func):
            words = [word.value for word in node.args if isinstance(word, ast.Constant)]
            yield from (tuple(word.split(".")) for word in words if isinstance(word, str))


def _module(parts: tuple[str, ...]) -> tuple[str, ...]:
    """The module below the package that an imported name is, or is in."""
    place = ROOT.joinpath(*parts[1:])
    return parts[1:] if place.is_dir() or place.with_suffix(".py").exists() else parts[1:-1]


def wrong(path: Path) -> set[str]:
    """The rooms that a file imports against the arrow."""
    room = room_of(path)
    if room.startswith("programs"):
        return set()  # see below
    pure = PURE.get(str(path.relative_to(ROOT)))
    if pure is None and room in JOINERS:
        return set()
    shelf = room.partition(".")[0]
    own = {room, shelf} if shelf in SHELVES else {room}
    return imports_of(path) - (pure or ALLOWED.get(room, set())) - BASICS - own


def test_imports_follow_the_arrow() -> None:
    found = {str(path.relative_to(ROOT)): sorted(against) for path in FILES if (against := wrong(path))}
    assert not found, f"imports against the arrow: {found}"


def test_the_rooms_of_the_keeper_import_in_one_direction() -> None:
    found: dict[str, list[str]] = {}
    for path in (each for each in FILES if ROOT / "keeper" in each.parents and each != ROOT / "keeper/__init__.py"):
        room = path.relative_to(ROOT / "keeper").with_suffix("").parts[0]
        assert room in KEEPER, f"{room} has no place in the order"
        here = KEEPER.index(room)
        modules = (_module(parts) for parts in _imported(path) if parts[:2] == ("daybreak", "keeper"))
        against = {module[1] for module in modules if len(module) > 1 and KEEPER.index(module[1]) > here}
        found |= {str(path.relative_to(ROOT)): sorted(against)} if against else {}
    assert not found, f"imports against the keeper's arrow: {found}"


def test_programs_import_their_neighbours_the_standard_library_and_ray_alone() -> None:
    """Other interpreters run them, which have nothing else."""
    found: dict[str, list[tuple[str, ...]]] = {}
    for path in (each for each in FILES if ROOT / "programs" in each.parents):
        neighbours = {each.stem for each in path.parent.iterdir()}
        known = neighbours | set(sys.stdlib_module_names) | {"ray", "grpc", *DEBUGGER}  # grpcio comes with Serve
        strange = [
            parts for parts in _imported(path) if parts[:2] != ("daybreak", "programs") and parts[0] not in known
        ]
        found |= {str(path.relative_to(ROOT)): strange} if strange else {}
    assert not found


def test_only_the_command_line_prints_or_exits() -> None:
    for path in FILES:
        if room_of(path).partition(".")[0] in ("cli", "programs") or path.name == "__main__.py":
            continue
        calls = {node.func.id for node in nodes(path) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
        if path.name in ("schema.py", "progress.py"):
            calls.discard("print")  # one writes the schema as a program, the other to the stream it was given
        assert not calls & {"print", "exit"}, path


def test_what_is_cancelled_is_never_told_that_it_was_not() -> None:
    """Before Python 3.12 `asyncio.wait_for` forgets that it was cancelled where what it waits for has just come."""
    for path in FILES:
        called = {node.func for node in nodes(path) if isinstance(node, ast.Call)}
        names = [(f.value.id, f.attr) for f in called if isinstance(f, ast.Attribute) and isinstance(f.value, ast.Name)]
        assert ("asyncio", "wait_for") not in names, f"{path}: asyncio.timeout does the same, and does not forget"


def test_every_room_is_in_the_table() -> None:
    rooms = {room_of(path) for path in FILES} - JOINERS - BASICS
    assert {room for room in rooms if room.partition(".")[0] not in ("programs", "extras")} <= set(ALLOWED)
