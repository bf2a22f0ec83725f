"""Does an application send a request to a certain replica? Read from its source, which is never imported here.

What Serve's own proxy knows of replicas (which models each has loaded, a router of the application's own) HAProxy does
not: it would spread the requests of one model over all replicas.
"""

from __future__ import annotations

import os.path
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from daybreak.services.ray.serve_config import is_local
from daybreak.spec.model import Spec

# Beyond that a source is no application's any more; nothing of it may delay a start.
MOST_FILES = 200
MOST_BYTES = 500_000
AFFINE = re.compile(r"@multiplexed\b|\bserve\.multiplexed\b|\brequest_router_config\s*=|\bRequestRouterConfig\s*\(")
IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(\.*[\w.]*)[ \t]+import[ \t]+(\([^)]*\)|[^\n#]+)|import[ \t]+([^\n#]+))", re.M
)


def find_affinity(spec: Spec, base: Path, config: Mapping[str, Any] | None) -> str:
    """Where the applications ask for it, such as `app.py:12 (serve.multiplexed)`; empty where they do not.

    The modules that the spec names are read, and those of the same folders that they import.
    """
    folder = base / os.path.dirname(spec.serve.config or "")
    roots = [base, *_code_folders(config, folder)]
    waiting = _modules(spec, config)
    seen: set[Path] = set()
    while waiting and len(seen) < MOST_FILES:
        module = waiting.pop(0)
        file = _file(module, roots)
        if file is None or file in seen:
            continue
        seen.add(file)
        text = _read(file)
        if found := _affine(text):
            place = file.relative_to(base) if file.is_relative_to(base) else file
            return f"{place}:{found}"
        waiting += _imported(text, module, package=file.name == "__init__.py")
    return ""


def _modules(spec: Spec, config: Mapping[str, Any] | None) -> list[str]:
    """The modules of the import paths: `a.b:c` as Ray has it, or `a.b.c`."""
    paths = [app.import_path for app in spec.serve.applications]
    paths += [str(app.get("import_path", "")) for app in _applications(config)]
    return [path.partition(":")[0] if ":" in path else path.rpartition(".")[0] for path in paths if path]


def _code_folders(config: Mapping[str, Any] | None, folder: Path) -> Iterator[Path]:
    """The local folders that the config's applications have their code in."""
    for app in _applications(config):
        environment = app.get("runtime_env")
        environment = environment if isinstance(environment, Mapping) else {}
        modules = environment.get("py_modules")
        if is_local(environment.get("working_dir")):
            yield folder / environment["working_dir"]
        # A module is imported by the name of its own folder.
        yield from ((folder / path).parent for path in (modules if isinstance(modules, list) else ()) if is_local(path))


def _applications(config: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    found = (config or {}).get("applications")
    return [app for app in found if isinstance(app, Mapping)] if isinstance(found, list) else []


def _file(module: str, roots: Sequence[Path]) -> Path | None:
    """The file of a module in one of these folders; of other modules nothing is read."""
    for root in roots:
        place = root.joinpath(*module.split("."))
        for file in (place.with_suffix(".py"), place / "__init__.py"):
            if module and file.is_file():
                return file
    return None


def _read(file: Path) -> str:
    try:
        with open(file, encoding="utf-8", errors="replace") as opened:
            return opened.read(MOST_BYTES)
    except OSError:
        return ""


def _affine(text: str) -> str:
    for number, line in enumerate(text.splitlines(), 1):
        if found := AFFINE.search(line.partition("#")[0]):
            return f"{number} ({found[0].rstrip(' =(').removeprefix('@')})"
    return ""


def _imported(text: str, module: str, *, package: bool) -> list[str]:
    """The modules that a source may import, its own package's relative ones included."""
    names: list[str] = []
    for source, members, plain in IMPORT.findall(text):
        if plain:
            names += [part.split()[0] for part in plain.split(",") if part.split()]
            continue
        above = _absolute(source, module, package=package)
        names.append(above)
        names += [f"{above}.{part.split()[0]}".lstrip(".") for part in members.strip("()").split(",") if part.split()]
    return names


def _absolute(source: str, module: str, *, package: bool) -> str:
    """What `from source import` means in a module."""
    dots = len(source) - len(source.lstrip("."))
    if not dots:
        return source
    parents = module.split(".") if package else module.split(".")[:-1]
    parents = parents[: len(parents) - (dots - 1)]
    return ".".join([*parents, *filter(None, source.lstrip(".").split("."))])
