"""Programs are run by Ray's interpreter, which may be as old as Python 3.8."""

from __future__ import annotations

import ast
import shutil
import subprocess
from pathlib import Path

import pytest

import daybreak

ROOT = Path(daybreak.__file__).parent
OLDEST = (3, 8)
# With the package as a folder alone: what stands in its own modules is for us. Ray is not there.
IMPORT_ALL = """
import importlib, pkgutil, sys, types
made = sys.modules["daybreak"] = types.ModuleType("daybreak")
made.__path__ = [sys.argv[1]]
sys.path.append(sys.argv[1] + "/programs/warm")  # as in the template
sys.dont_write_bytecode = True
import daybreak.programs
for found in pkgutil.walk_packages(daybreak.programs.__path__, "daybreak.programs."):
    try:
        importlib.import_module(found.name)
    except ModuleNotFoundError as error:
        assert error.name == "ray", (found.name, error)
    except Exception as error:
        sys.exit(f"{found.name}: {error!r}")
"""


def interpreter(version: str) -> str | None:
    """A Python of that version which runs: a stand-in of a version manager may be there without one."""
    places = [shutil.which(f"python{version}"), *map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))]
    for place in filter(None, places):
        if subprocess.run([place, "-V"], check=False, capture_output=True).returncode == 0:
            return place
    return None


def test_their_syntax_is_known_to_the_oldest() -> None:
    for path in (ROOT / "programs").rglob("*.py"):
        ast.parse(path.read_text(), str(path), feature_version=OLDEST)


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.10"])
def test_an_older_python_imports_them(version: str) -> None:
    python = interpreter(version)
    if python is None:
        pytest.skip(f"there is no python{version} on this machine")
    command = [python, "-IS", "-c", IMPORT_ALL, str(ROOT)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
