"""The programs that run in the image, as far as they need none."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from daybreak.programs.recipe import elf, install, slim

SHARED = Path(np._core._multiarray_umath.__file__)  # type: ignore[attr-defined]


def test_the_version_of_the_base_is_taken() -> None:
    assert install.ray_version("", "2.20.0") == "2.20.0"
    assert install.ray_version("2.20.0", "2.20.0") == "2.20.0"
    assert install.ray_version("2.60.0", None) == "2.60.0"
    assert install.ray_version("", None) == install.DEFAULT
    with pytest.raises(ValueError, match=r"has Ray 2\.20\.0"):
        install.ray_version("2.60.0", "2.20.0")


def test_versions_of_a_base_with_ray_are_kept_unless_the_requirements_name_them() -> None:
    present = {"ray": "2.20.0", "fastapi": "0.110.0", "numpy": "1.26.4"}
    own = install.named("numpy>=2  # newer\n--extra-index-url https://x.test\n-r other.txt\nScikit_Learn[x]==1.4\n")
    assert own == {"numpy", "scikit-learn"}
    assert install.pins(present, own | {"ray"}) == ["fastapi==0.110.0"]
    assert install.pins({"fastapi": "1"}, set()) == []
    assert install.pins({"ray": "2.20.0", "torch": "2.3.0+cpu", "conda": "24.x"}, {"ray"}) == []


def test_this_interpreter_knows_what_it_has() -> None:
    assert "pytest" in install.installed()


def test_a_part_of_ray_stays_with_the_package_that_it_needs(tmp_path: Path) -> None:
    for name in ("ray/jars", "ray/data", "ray/serve", "pyarrow"):
        (tmp_path / name).mkdir(parents=True)
    slim.remove_parts(tmp_path)
    assert sorted(path.name for path in (tmp_path / "ray").iterdir()) == ["data", "serve"]
    (tmp_path / "pyarrow").rmdir()
    slim.remove_parts(tmp_path)
    assert [path.name for path in (tmp_path / "ray").iterdir()] == ["serve"]


def test_tests_and_sources_go_and_licences_stay(tmp_path: Path) -> None:
    names = [
        "a/tests/test_a.py",
        "a/x.pyi",
        "a/x.c",
        "a/x.py",
        "a.dist-info/licenses/LICENSE",
        "sklearn/utils/tests/x.py",
    ]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    slim.remove_files(tmp_path)
    left = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert left == ["a.dist-info/licenses/LICENSE", "a/x.py", "sklearn/utils/tests/x.py"]


def test_what_no_cluster_imports_is_not_compiled(tmp_path: Path) -> None:
    for name in ("virtualenv/x.py", "mine/x.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
    slim.compile_all(tmp_path)
    assert [path.parent.parent.name for path in tmp_path.rglob("*.pyc")] == ["mine"]


def test_a_stripped_library_works_as_before(tmp_path: Path) -> None:
    data = SHARED.read_bytes()
    smaller = elf.stripped(data) or data
    assert len(smaller) <= len(data)
    assert elf.stripped(smaller) is None  # nothing is left to gain
    path = tmp_path / SHARED.name
    path.write_bytes(smaller)
    code = f"import ctypes; ctypes.CDLL({str(path)!r}, mode={ctypes.DEFAULT_MODE}, winmode=0)"
    done = subprocess.run([sys.executable, "-c", "import numpy\n" + code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "data", [b"", b"#!/bin/sh\n", b"\x7fELF\x01\x01" + b"\0" * 200, b"\x7fELF\x02\x01" + b"\0" * 200]
)
def test_other_files_are_left_alone(data: bytes) -> None:
    assert elf.stripped(data) is None


def test_something_appended_is_kept() -> None:
    assert elf.stripped(SHARED.read_bytes() + b"payload" * 100) is None
