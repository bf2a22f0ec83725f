"""Ray's modules, read ahead."""

from __future__ import annotations

import gc
import importlib
import importlib.util
import os
import py_compile
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from daybreak.programs.warm import ray_bytecode


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package `ray` that is found before the real one; compiled, so that there is something to read."""
    folder = tmp_path / "ray"
    (folder / "util").mkdir(parents=True)
    (folder / "_version.py").write_text("")
    (folder / "__init__.py").write_text("NAME = 'first'\n")
    (folder / "util" / "__init__.py").write_text("")
    (folder / "util" / "part.py").write_text("def where():\n    return __file__\n")
    (folder / "_private").mkdir()
    (folder / "_private" / "never.py").write_text("")
    for file in folder.rglob("*.py"):
        if file.name != "never.py":
            py_compile.compile(str(file))
    before = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "ray"}
    for name in before:
        del sys.modules[name]
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "ray"]:
        del sys.modules[name]
    sys.modules.update(before)


@pytest.fixture
def ahead(package: Path, monkeypatch: pytest.MonkeyPatch) -> ray_bytecode.Codes:
    found = ray_bytecode.Codes()
    assert found.read(str(package)) == 4  # not what is not compiled
    monkeypatch.setattr(sys, "meta_path", [found, *sys.meta_path])
    return found


def test_what_was_read_is_imported_as_ever(ahead: ray_bytecode.Codes, package: Path) -> None:
    part = importlib.import_module("ray.util.part")
    assert part.where() == part.__file__ == str(package / "util" / "part.py")
    assert part.__spec__ is not None
    assert part.__spec__.cached == importlib.util.cache_from_source(part.__file__)
    assert sys.modules["ray.util"].__path__ == [str(package / "util")]
    assert part.where.__code__ is next(
        each for each in ahead.get(part.__file__).co_consts if getattr(each, "co_name", "") == "where"
    )


def test_a_file_that_has_changed_is_read_anew(ahead: ray_bytecode.Codes, package: Path) -> None:
    file = package / "__init__.py"
    file.write_text("NAME = 'second'\n")
    os.utime(file, (1, 1))
    assert importlib.import_module("ray").NAME == "second"


def test_a_file_that_has_gone_is_not_imported(ahead: ray_bytecode.Codes, package: Path) -> None:
    (package / "util" / "part.py").unlink()
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("ray.util.part")


def test_the_package_is_found_on_the_search_path(package: Path) -> None:
    assert ray_bytecode.package(["/nonexistent", str(package.parent)]) == str(package)
    assert ray_bytecode.package([]) == ""


def test_ray_has_the_folders_that_are_read() -> None:
    spec = importlib.util.find_spec("ray")
    assert spec is not None
    assert spec.origin is not None
    found = Path(spec.origin).parent
    missing = [folder for folder in ray_bytecode.FOLDERS if not list(found.glob(f"{folder}/*.py"))]
    assert len(missing) < len(ray_bytecode.FOLDERS) / 3, missing


def test_no_garbage_is_looked_for_while_a_module_of_rays_is_imported(ahead: ray_bytecode.Codes, package: Path) -> None:
    """Only meanwhile: what the program does is its own affair."""
    file = package / "util" / "collected.py"
    file.write_text("import gc\nFOUND = gc.isenabled()\n")
    py_compile.compile(str(file))
    ahead.read(str(package))
    assert importlib.import_module("ray.util.collected").FOUND is False
    assert gc.isenabled()
