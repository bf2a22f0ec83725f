"""Which files may make an application, and what two looks tell."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from daybreak.errors import UsageError
from daybreak.extras.dev.ignoring import Ignoring, ignoring
from daybreak.extras.dev.imported import Elsewhere
from daybreak.extras.dev.tree import Tree


def tree(folder: Path, *named: str, ignore: tuple[str, ...] = ()) -> Tree:
    return Tree(folder, frozenset(folder / name for name in named), ignoring(folder, ignore))


def write(folder: Path, *names: str, text: str = "x = 1\n") -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def seen(folder: Path, of: Tree) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in of.now().files)


def test_code_counts_and_what_is_named_whatever_its_name(tmp_path: Path) -> None:
    write(tmp_path, "app.py", "shop/cart.py", "shop/fast.so", "notes.md", "daybreak.yaml", "data.csv")
    assert seen(tmp_path, tree(tmp_path, "daybreak.yaml")) == [
        "app.py",
        "daybreak.yaml",
        "shop/cart.py",
        "shop/fast.so",
    ]


def test_what_is_installed_hidden_or_made_by_python_does_not(tmp_path: Path) -> None:
    write(tmp_path, "app.py", ".venv/x.py", "env/pyvenv.cfg", "env/y.py", "node_modules/z.py", "__pycache__/a.py")
    assert seen(tmp_path, tree(tmp_path)) == ["app.py"]


def test_gitignore_counts_up_to_the_repository_and_what_the_command_names(tmp_path: Path) -> None:
    folder = tmp_path / "work" / "shop"
    write(folder, "app.py", "generated/a.py", "scratch.py", "notes/b.py", "above.py")
    (tmp_path / ".gitignore").write_text("app.py\n")
    (tmp_path / "work" / ".git").mkdir()
    (tmp_path / "work" / ".gitignore").write_text("shop/above.py\n")
    (folder / ".gitignore").write_text("generated/\nscratch.py\n")
    assert seen(folder, tree(folder, ignore=("notes/",))) == ["app.py"]
    (tmp_path / "work" / ".git").rmdir()
    assert seen(folder, tree(folder)) == ["above.py", "app.py", "notes/b.py"]


def test_what_is_no_pattern_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--ignore"):
        ignoring(tmp_path, ["!"])


@pytest.mark.parametrize(
    "happens",
    [
        lambda file: file.write_text("x = 2222\n"),
        lambda file: file.unlink(),
        lambda file: _rename_over(file, "x = 3\n"),
        lambda file: _rename_over(file, "x = 1\n"),
    ],
    ids=["written", "removed", "renamed over", "renamed over with the same"],
)
def test_two_looks_tell_what_was_written(tmp_path: Path, happens: object) -> None:
    write(tmp_path, "app.py", "other.py")
    watched = tree(tmp_path)
    before = watched.now()
    assert callable(happens)
    happens(tmp_path / "app.py")
    assert before.changed_to(watched.now()) == [tmp_path / "app.py"]
    assert watched.now().changed_to(watched.now()) == []


def test_a_write_that_leaves_size_and_file_is_told_by_its_time(tmp_path: Path) -> None:
    write(tmp_path, "app.py")
    watched = tree(tmp_path)
    before = watched.now()
    (tmp_path / "app.py").write_text("x = 9\n")
    os.utime(tmp_path / "app.py", ns=(1, 1))
    assert before.changed_to(watched.now()) == [tmp_path / "app.py"]


def test_a_folder_that_is_no_more_holds_nothing(tmp_path: Path) -> None:
    gone = Tree(tmp_path / "gone", frozenset({tmp_path / "gone" / "daybreak.yaml"}), Ignoring([]))
    assert not gone.now().files


def _rename_over(file: Path, text: str) -> None:
    new = file.with_name("new")
    new.write_text(text)
    new.replace(file)


def test_what_is_imported_from_elsewhere_counts_from_when_it_is_known(tmp_path: Path) -> None:
    """Only what it becomes afterwards is a change, and no more when it does not count any more."""
    shop, lib = tmp_path / "shop", tmp_path / "lib"
    write(shop, "app.py")
    write(lib, "prices.py", "other.py")
    book = tmp_path / "book.json"
    of = replace(tree(shop), elsewhere=Elsewhere((book, tmp_path / "none.json")))
    before = of.now()
    book.write_text(json.dumps({"folder": str(shop), "files": {"app.py": "", "../lib/prices.py": ""}}))
    known = of.now()
    assert known.folders - before.folders == {lib}
    assert before.changed_to(known) == []
    write(lib, "prices.py", "other.py", text="y = 22\n")
    assert known.changed_to(of.now()) == [lib / "prices.py"]
    book.unlink()
    assert known.changed_to(of.now()) == []
