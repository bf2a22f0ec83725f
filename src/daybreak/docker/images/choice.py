"""Which images, which Python and which Ray: what was asked for, completed. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from daybreak.errors import UsageError

PYTHON = "3.11"
OFFICIAL = re.compile(
    r"(?:^|/)rayproject/ray(?:-ml)?:(?P<ray>\d+\.\d+\.\d+\w*)(?:\.[0-9a-f]+)?-py(?P<major>3)(?P<minor>\d+)"
)
SLIM = re.compile(r"(?:^|/)python:(?P<python>3\.\d+)")
_VERSION = re.compile(r"\d+\.\d+\.\d+[\w.]*")
_PYTHON = re.compile(r"3\.\d+")


@dataclass(frozen=True)
class Choice:
    """Build arguments: `base` is built on, `runtime` stands below the result. `ray` is empty where the base has it."""

    base: str
    runtime: str
    python: str
    ray: str


def choose(
    *,
    base: str | None = None,
    runtime: str | None = None,
    python: str | None = None,
    ray: str | None = None,
    installed: str | None = None,
) -> Choice:
    """Complete the options; `installed` is the Ray beside daybreak, which is taken where nothing else says one.

    Raises UsageError where they contradict each other, or a base does not tell which Python it has.
    """
    if python is not None and not _PYTHON.fullmatch(python):
        raise UsageError(f"--python: {python} is no version such as {PYTHON}")
    if ray is not None and not _VERSION.fullmatch(ray):
        raise UsageError(f"--ray-version: {ray} is no version such as 2.60.0")
    if base is None:
        chosen = python or (_python_of(runtime) if runtime else None) or PYTHON
        slim = f"python:{chosen}-slim-bookworm"
        return Choice(slim, runtime or slim, chosen, ray or installed or "")
    official = OFFICIAL.search(base)
    if official and ray not in (None, official["ray"]):
        raise UsageError(f"--ray-version: {base} has Ray {official['ray']}, not {ray}", hint="leave out one of the two")
    found = _python_of(base)
    if found and python not in (None, found):
        raise UsageError(f"--python: {base} has Python {found}, not {python}", hint="leave out one of the two")
    chosen = python or found or ""
    if not chosen:
        raise UsageError(f"--base: {base} does not tell which Python it has", hint=f"name it: --python {PYTHON}")
    # A base that is not known may have a Ray of its own, which then counts.
    wanted = ray or ("" if not SLIM.search(base) else installed or "")
    return Choice(base, runtime or f"python:{chosen}-slim-bookworm", chosen, wanted)


def _python_of(image: str) -> str | None:
    """The Python that an image's name tells."""
    if official := OFFICIAL.search(image):
        return f"{official['major']}.{official['minor']}"
    slim = SLIM.search(image)
    return slim["python"] if slim else None
