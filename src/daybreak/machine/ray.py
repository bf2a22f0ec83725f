"""Finding Ray: its version, its interpreter and its command. Ray itself is never imported; that takes a second."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from daybreak.errors import PreflightError, Problem, SpecError
from daybreak.programs.common import ray_probe
from daybreak.services.site import RayInstall
from daybreak.spec.model import RayExpectation

INSTALL = 'pip install "ray[default,serve]"'
TIMEOUT_S = 30.0


@dataclass(frozen=True)
class _Found:
    """What the probe says about an interpreter. `missing` maps Ray's extras to the modules that are not there."""

    python: str
    version: str | None
    scripts: str
    missing: dict[str, list[str]]
    socket_names: bool = False
    vendored: list[str] = field(default_factory=list)
    packages: str = ""
    haproxy: str = ""
    surges: bool = False
    code_folders: bool = True


def find_ray(expectation: RayExpectation, base: Path) -> RayInstall:
    """The Ray that the spec means; relative paths count from `base`.

    Raises SpecError where the interpreter is not there or Ray's version is not the one expected, PreflightError
    where Ray or one of its extras is not installed.
    """
    if expectation.python is None:
        found = _Found(sys.executable, **ray_probe.probe())
    else:
        found = _ask(_interpreter(expectation.python, base))
    pip = f"{found.python} -m {INSTALL}"
    if found.version is None:
        raise PreflightError([f"Ray is not installed for {found.python}"], hint=pip)
    if found.missing:
        problems = [
            f"Ray {found.version} is installed without its {extra} part (no {', '.join(modules)})"
            for extra, modules in found.missing.items()
        ]
        raise PreflightError(problems, hint=pip)
    _check_version(expectation, found)
    command = _command(found, pip)
    vendored = tuple(found.vendored)
    return RayInstall(
        found.version,
        found.python,
        command,
        found.socket_names,
        vendored,
        found.packages,
        found.haproxy,
        found.surges,
        found.code_folders,
    )


def _interpreter(given: str, base: Path) -> str:
    """The absolute path; symbolic links stay, since a virtual environment is known by its link."""
    path = Path(os.path.abspath(base / Path(given).expanduser()))
    if path.is_dir():
        path = path / "bin/python"
    if not os.access(path, os.X_OK) or path.is_dir():
        raise SpecError([Problem(f"there is no interpreter at {path}", key="ray.python", hint="see `which python`")])
    return str(path)


def _ask(python: str) -> _Found:
    """Run the probe with another interpreter, isolated from this one's environment."""
    try:
        done = subprocess.run(
            [python, "-I", ray_probe.__file__],
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )
        if done.returncode == 0:
            return _Found(python, **json.loads(done.stdout))
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    except (OSError, ValueError, TypeError, subprocess.TimeoutExpired) as error:
        reason = str(error)
    problem = Problem(f"{python} does not work as a Python interpreter: {reason}", key="ray.python")
    raise SpecError([problem])


def _check_version(expectation: RayExpectation, found: _Found) -> None:
    if expectation.version is None or found.version is None:
        return
    from packaging.specifiers import SpecifierSet

    if not SpecifierSet(expectation.version).contains(found.version, prereleases=True):
        problem = Problem(
            f"{expectation.version} is expected, but Ray {found.version} is installed for {found.python}",
            key="ray.version",
            hint=f'{found.python} -m pip install "ray[default,serve]{expectation.version}", or change ray.version',
        )
        raise SpecError([problem])


def _command(found: _Found, pip: str) -> str:
    """Ray's command beside the interpreter, else where that interpreter's scripts are installed."""
    for folder in (Path(found.python).parent, Path(found.scripts)):
        if os.access(folder / "ray", os.X_OK):
            return str(folder / "ray")
    raise PreflightError(
        [f"Ray {found.version} is installed for {found.python}, but its `ray` command is not (looked in {folder})"],
        hint=f"{pip} --force-reinstall --no-deps",
    )
