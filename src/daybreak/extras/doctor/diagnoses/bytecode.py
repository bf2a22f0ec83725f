"""Is Ray's bytecode there, or can it be written? Without it every process compiles Ray again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from daybreak.extras.doctor.case import Case
from daybreak.extras.doctor.finding import Finding, note, ok, warning

# What every process of a start imports; other parts of Ray may well never be imported.
FOLDERS = ("", "_private", "util", "serve", "serve/_private", "dashboard")
OFF = "PYTHONDONTWRITEBYTECODE"
PREFIX = "PYTHONPYCACHEPREFIX"
# Some modules are never imported, so they are never compiled.
ENOUGH = 0.3
WHY = "every Ray process compiles Ray again: its imports take twice as long"


def look(case: Case) -> Iterator[Finding]:
    """Ray's package in Ray's interpreter, and the variables that services inherit."""
    if case.spec.in_containers:
        yield ok("compiled in the image, if `daybreak image build` made it")
        return
    inherited = case.inherited((OFF, PREFIX))
    package = Path(case.ray.vendored[0]).parent
    yield from judge(package, case.ray.python, off=bool(inherited.get(OFF)), prefix=inherited.get(PREFIX))


def compiled_share(package: Path, prefix: str | None = None) -> float:
    """Which part (0 to 1) of the package's modules has bytecode of any interpreter."""
    sources = compiled = 0
    for folder in (package / name for name in FOLDERS):
        names = {path.stem for path in folder.glob("*.py")}
        cache = Path(f"{prefix}{folder}") if prefix else folder / "__pycache__"
        cached = {path.name.partition(".")[0] for path in cache.glob("*.pyc")}
        sources += len(names)
        compiled += len(names & cached)
    return compiled / sources if sources else 1.0


def judge(package: Path, python: str, *, off: bool, prefix: str | None = None) -> Iterator[Finding]:
    """`off` says that services are told not to write bytecode."""
    share = compiled_share(package, prefix)
    found = f"{share:.0%} of {package} is compiled"
    compile_now = f"{python} -m compileall -q {package}"
    on = f"unset {OFF}   # then `daybreak down` and `daybreak up`"
    if share < ENOUGH and not os.access(prefix or package, os.W_OK):
        yield warning(f"{found}, and the folder cannot be written to", WHY, f"sudo {compile_now}")
    elif share < ENOUGH and off:
        yield warning(f"{found}, and {OFF} is set", WHY, f"env -u {OFF} {compile_now}", on)
    elif share < ENOUGH:
        yield note(f"{found}; the first start writes the rest", "that start takes longer", compile_now)
    elif off:
        yield note(f"{OFF} is set", "your application is compiled anew in every process that imports it", on)
    else:
        yield ok(found)
