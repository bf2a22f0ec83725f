"""Which files the applications are made of, and whether they are still what was deployed."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from daybreak.programs.deploy import sources


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".py").write_text(text)


def test_what_was_imported_is_known_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, sources_app="import sources_part\n", sources_part="", sources_beside="")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.import_module("sources_app")
    book = str(tmp_path / "book.json")
    sources.note(book, str(tmp_path), imported=True)
    for name in ("sources_app", "sources_part"):
        del sys.modules[name]
    assert sources.changed(book) == []
    write(tmp_path, sources_beside="x = 1\n")
    (tmp_path / "sources_part.py").touch()
    assert sources.changed(book) == []
    write(tmp_path, sources_part="x = 1\n")
    assert sources.changed(book) == ["sources_part.py"]


def test_without_an_import_everything_counts_but_what_is_installed(tmp_path: Path) -> None:
    write(tmp_path, app="", parts__one="", venv__lib="", lib__node_modules__x="")
    write(tmp_path / ".hidden", x="")
    (tmp_path / "venv" / "pyvenv.cfg").touch()
    book = str(tmp_path / "book.json")
    sources.note(book, str(tmp_path), imported=False)
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
    sources.note(book, str(folder), imported=False)
    write(folder, one="2", two="2")
    monkeypatch.setattr(sources, "_own_modules", lambda _: [str(folder / "one.py")])
    sources.note(book, str(folder), imported=True, beside=True)
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
    before = set(sources.outside(str(shop)))
    importlib.import_module("elsewhere_app")
    assert set(sources.outside(str(shop))) - before == {"elsewhere_lib"}
    book = str(tmp_path / "book.json")
    noted = sources.note(book, str(shop), imported=True)
    for name in ("elsewhere_app", "elsewhere_lib", "elsewhere_installed"):
        del sys.modules[name]
    assert {"elsewhere_app.py", "../lib/elsewhere_lib.py"} <= set(noted)
    write(lib, elsewhere_lib="x = 1\n")
    assert sources.changed(book) == ["../lib/elsewhere_lib.py"]
