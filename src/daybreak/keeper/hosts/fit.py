"""Which versions of Ray and Python a machine has, and whether a host's fit: the same Ray, and the same minor Python.

Ray's messages have no other promise, and functions are pickled by one Python and read by the other.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from daybreak.errors import DaybreakError, PreflightError

TIMEOUT_S = 30.0
_ASK = "import sys; print('%d.%d' % sys.version_info[:2])"


@dataclass(frozen=True)
class Versions:
    """Of a host: `ray` is None where it has none."""

    ray: str | None
    python: str


def python_minor(python: str) -> str:
    """The version of an interpreter, such as 3.11. Raises DaybreakError where it does not run."""
    if Path(python) == Path(sys.executable):
        return f"{sys.version_info.major}.{sys.version_info.minor}"
    try:
        asked = [python, "-I", "-S", "-c", _ASK]
        done = subprocess.run(asked, capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise DaybreakError(f"{python} does not tell its version: {error}") from error
    return done.stdout.strip()


def require(host: Versions, *, ray: str, python: str) -> None:
    """Raises PreflightError with what to install on the host."""
    problems, hints = [], []
    if host.python != python:
        problems.append(f"the cluster runs on Python {python}, this host has Python {host.python}")
        hints.append(f"make an environment with Python {python}, and name its interpreter with --python")
    if host.ray != ray:
        has = f"this host has Ray {host.ray}" if host.ray else "this host has no Ray"
        problems.append(f"the cluster runs Ray {ray}, {has}")
        hints.append(f'pip install "ray[default,serve]=={ray}"')
    if problems:
        raise PreflightError(problems, hint="; then: ".join(hints))
