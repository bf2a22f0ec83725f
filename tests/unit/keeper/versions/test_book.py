"""What is kept of a folder, how much of it, and how it comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from daybreak.errors import DaybreakError
from daybreak.keeper.versions.book import Book
from daybreak.keeper.versions.tree import check_out
from daybreak.keeper.versions.version import Version, changes, digest_of
from daybreak.keeper.wanted.code_link import lead
from daybreak.paths import ClusterPaths
from daybreak.services.slots import Slot

MOST = 10**6


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_py", ".py").replace("_txt", ".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def paths(tmp_path: Path) -> ClusterPaths:
    found = ClusterPaths("shop", tmp_path / "state", tmp_path / "run")
    found.root.mkdir(exist_ok=True)
    return found


def version(number: int, book: Book, folder: Path, **rest: Any) -> Version:
    values = {"wall": 1.0, "how": "redeploy", "spec": {"serve": {}}, "environment": {"SECRET": "hush"}, **rest}
    return Version(number=number, files=book.take(folder, None, MOST), **values)


def test_a_version_is_what_python_imports_and_the_rest_is_linked_to(tmp_path: Path) -> None:
    at, folder = paths(tmp_path), tmp_path / "app"
    write(folder, app_py="old", data_txt="1", pkg__part_py="old", pkg__text_txt="2", venv__x_py="no", _git__y_py="no")
    (folder / "venv" / "pyvenv.cfg").touch()
    (folder / "_git").rename(folder / ".git")
    book = Book(at.versions)
    made = version(1, book, folder)
    book.add(made)
    assert sorted(made.files) == ["app.py", "pkg/part.py"]
    write(folder, app_py="new", later_py="new", data_txt="changed")
    found = book.get(1)
    assert found == made
    check_out(found, book, at, folder, str(folder))
    tree = at.code / "1"
    assert (tree / "app.py").read_text() == "old"
    assert (tree / "pkg" / "part.py").read_text() == "old"
    assert not (tree / "later.py").exists(), "no module that the version did not have"
    assert (tree / "data.txt").read_text() == "changed"
    assert (tree / "pkg" / "text.txt").read_text() == "2"
    assert (folder / "app.py").read_text() == "new"


def test_nobody_else_can_read_what_is_kept(tmp_path: Path) -> None:
    at, folder = paths(tmp_path), tmp_path / "app"
    write(folder, app_py="x")
    book = Book(at.versions)
    book.add(version(1, book, folder))
    assert at.versions.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in at.versions.rglob("*") if path.is_file()} == {0o600}


def test_replicas_of_a_slot_are_led_to_one_version(tmp_path: Path) -> None:
    at, folder = paths(tmp_path), tmp_path / "app"
    write(folder, app_py="1")
    book = Book(at.versions)
    check_out(version(1, book, folder), book, at, folder, str(folder))
    lead(at, Slot.A, None)
    assert not list((at.code / "a").iterdir())
    lead(at, Slot.A, 1)
    assert (at.code / "a" / "app.py").read_text() == "1"
    write(folder, app_py="2")
    for number in (2, 3):
        check_out(version(number, book, folder), book, at, folder, str(folder))
    assert sorted(path.name for path in at.code.iterdir()) == ["1", "3", "a", "none"], "what is in use stays"
    lead(at, Slot.A, None)
    assert not list((at.code / "a").iterdir())


def test_as_many_are_kept_as_the_spec_says(tmp_path: Path) -> None:
    at, folder = paths(tmp_path), tmp_path / "app"
    book = Book(at.versions)
    for number in range(1, 6):
        write(folder, app_py=f"{number}" * 100, same_py="same")
        book.add(version(number, book, folder))
    book.prune(3, MOST)
    assert [one.number for one in book.all()] == [3, 4, 5]
    assert len(list((at.versions / "contents").iterdir())) == 4, "what none of them has is gone"
    book.prune(3, 210, but=(3,))
    assert [one.number for one in book.all()] == [3, 5]
    assert book.all()[0].size_bytes == 104


def test_too_much_is_not_kept_and_it_is_said_why(tmp_path: Path) -> None:
    at, folder = paths(tmp_path), tmp_path / "app"
    write(folder, app_py="x" * 1000)
    with pytest.raises(DaybreakError, match="max_size is 0 MiB"):
        Book(at.versions).take(folder, None, 999)


def test_what_is_damaged_is_never_deployed(tmp_path: Path) -> None:
    at, folder = paths(tmp_path), tmp_path / "app"
    write(folder, app_py="x")
    book = Book(at.versions)
    made = version(1, book, folder)
    book.add(made)
    next((at.versions / "contents").iterdir()).write_text("y")
    with pytest.raises(DaybreakError, match="damaged"):
        check_out(made, book, at, folder, str(folder))
    assert not (at.code / "1").exists()
    (at.versions / "2.json").write_text("{")
    assert [one.number for one in book.all()] == [1]


def test_what_has_changed_is_told_without_values(tmp_path: Path) -> None:
    at, folder = paths(tmp_path), tmp_path / "app"
    write(folder, app_py="1", gone_py="1")
    book = Book(at.versions)
    first = version(1, book, folder, spec={"head": {"cpus": 1}})
    write(folder, app_py="2", new_py="1")
    (folder / "gone.py").unlink()
    second = version(2, book, folder, spec={"head": {"cpus": 2}}, environment={"SECRET": "other"})
    assert changes(first, second) == ["app.py", "new: new.py", "gone: gone.py", "spec: head", "environment: SECRET"]


def test_another_number_of_workers_is_no_other_folder() -> None:
    assert digest_of({}, {"workers": {"count": 1}}) == digest_of({}, {"workers": {"count": 2}, "backend": "docker"})
    assert digest_of({}, {"workers": {"cpus": 1}}) != digest_of({}, {"workers": {"cpus": 2}})
