"""Which files the applications are made of, and whether they are still what was deployed."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from daybreak.programs.deploy import sources
from daybreak.programs.deploy.imports import OwnFiles


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__init__", "-").replace("__", "/").replace("-", "__init__")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".py").write_text(text)


def test_what_was_imported_is_known_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, sources_app="import sources_part\n", sources_part="", sources_beside="")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.import_module("sources_app")
    book = str(tmp_path / "book.json")
    sources.note(book, str(tmp_path), sources.own_files(str(tmp_path)))
    for name in ("sources_app", "sources_part"):
        del sys.modules[name]
    assert sources.changed(book) == []
    write(tmp_path, sources_beside="x = 1\n")
    (tmp_path / "sources_part.py").touch()
    assert sources.changed(book) == []
    write(tmp_path, sources_part="x = 1\n")
    assert sources.changed(book) == ["sources_part.py"]


@pytest.mark.parametrize("place", ["", "src/"])
def test_what_will_be_imported_while_a_request_is_answered_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    inside = f"{place}late_shop/".replace("/", "__")
    app = "def answer():\n    from . import prices\n    return prices\n"
    write(tmp_path, **{f"{inside}__init__": "", f"{inside}app": app, f"{inside}prices": "", f"{inside}beside": ""})
    monkeypatch.syspath_prepend(str(tmp_path / place))
    importlib.import_module("late_shop.app")
    book = str(tmp_path / "book.json")
    noted = sources.note(book, str(tmp_path), sources.own_files(str(tmp_path)))
    for name in ("late_shop.app", "late_shop"):
        del sys.modules[name]
    assert {Path(name).stem for name in noted if "late_shop" in name} == {"__init__", "app", "prices"}


def test_without_an_import_everything_counts_but_what_is_installed(tmp_path: Path) -> None:
    write(tmp_path, app="", parts__one="", venv__lib="", lib__node_modules__x="")
    write(tmp_path / ".hidden", x="")
    (tmp_path / "venv" / "pyvenv.cfg").touch()
    book = str(tmp_path / "book.json")
    sources.note(book, str(tmp_path), None)
    write(tmp_path, app="1", venv__lib="1", lib__node_modules__x="1")
    (tmp_path / "parts" / "one.py").unlink()
    assert sources.changed(book) == ["app.py", "parts/one.py"]


def test_where_nobody_knows_nothing_has_changed(tmp_path: Path) -> None:
    assert sources.changed(str(tmp_path / "absent")) == []
    (tmp_path / "book.json").write_text('{"files": 3}')
    assert sources.changed(str(tmp_path / "book.json")) == []


def test_it_is_told_in_a_few_words() -> None:
    assert sources.told(["app.py"]) == "app.py has changed"
    assert sources.told(list("abcde")) == "a, b, c and 2 more have changed"


def test_what_is_noted_beside_others_leaves_theirs_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, book = tmp_path / "app", str(tmp_path / "code.json")
    folder.mkdir()
    write(folder, one="1", two="1")
    sources.note(book, str(folder), None)
    write(folder, one="2", two="2")
    sources.note(book, str(folder), OwnFiles(str(folder), {"one": str(folder / "one.py")}), beside=True)
    assert sources.changed(book) == ["two.py"]


def test_what_is_imported_from_elsewhere_counts_unless_it_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder beside it, and an editable installation, but no package and nothing of Python's own."""
    shop, lib = tmp_path / "shop", tmp_path / "lib"
    write(shop, elsewhere_app="import elsewhere_lib, elsewhere_installed, json, click\n")
    write(lib, elsewhere_lib="")
    write(tmp_path / "site-packages", elsewhere_installed="")
    for folder in (tmp_path / "site-packages", lib, shop):
        monkeypatch.syspath_prepend(str(folder))
    before = set(sources.own_files(str(shop)).imported)
    importlib.import_module("elsewhere_app")
    assert set(sources.own_files(str(shop)).imported) - before == {"elsewhere_app", "elsewhere_lib"}
    book = str(tmp_path / "book.json")
    noted = sources.note(book, str(shop), sources.own_files(str(shop)))
    for name in ("elsewhere_app", "elsewhere_lib", "elsewhere_installed"):
        del sys.modules[name]
    assert {"elsewhere_app.py", "../lib/elsewhere_lib.py"} <= set(noted)
    write(lib, elsewhere_lib="x = 1\n")
    assert sources.changed(book) == ["../lib/elsewhere_lib.py"]
