"""Files are replaced as a whole; books are changed by one process at a time."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from daybreak import files
from daybreak.errors import PreflightError
from daybreak.files import MOST_BYTES, Book, open_regular, read_book, replacing, write_private


def test_a_private_file_is_made_with_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    write_private(path, "one")
    assert path.read_text() == "one"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_an_error_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(RuntimeError), replacing(path) as file:
        file.write(b"half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    other, path = tmp_path / "other", tmp_path / "file"
    other.write_text("theirs")
    path.symlink_to(other)
    write_private(path, "ours")
    assert (other.read_text(), path.read_text()) == ("theirs", "ours")


def test_what_is_there_by_then_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with replacing(path, keep=True) as file:
        path.write_text("first")
        file.write(b"second")
    assert path.read_text() == "first"
    assert os.listdir(tmp_path) == ["file"]


def test_what_is_to_last_is_on_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, seen = tmp_path / "file", []
    monkeypatch.setattr(os, "fsync", lambda descriptor: seen.append((os.fstat(descriptor).st_size, path.exists())))
    write_private(path, "text", durable=True)
    assert seen == [(4, False)]


def test_the_umask_decides_where_no_mode_is_given(tmp_path: Path) -> None:
    path = tmp_path / "plot.png"
    before = os.umask(0o027)
    try:
        with replacing(path, mode=None):
            pass
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o640


def test_an_error_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError) as caught:
        write_private(tmp_path / "file" / "below", "")
    assert str(tmp_path / "file") in str(caught.value.filename)


def book(folder: Path) -> Book:
    return Book(folder / "book.json", "the numbers", lock=folder / ".lock")


def test_a_book_loses_no_change(tmp_path: Path) -> None:
    def change(number: int) -> None:
        with book(tmp_path).changing() as values:
            values[str(number)] = number

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(change, range(40)))
    assert sorted(book(tmp_path).read().values()) == list(range(40))


def test_an_unchanged_book_is_not_written(tmp_path: Path) -> None:
    with book(tmp_path).changing() as values:
        assert values == {}
    assert not (tmp_path / "book.json").exists()


@pytest.mark.parametrize("text", ["", "[1]", "{", "null"])
def test_a_book_that_cannot_be_understood_is_begun_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / "book.json").write_text(text)
    with book(tmp_path).changing() as values:
        values["a"] = 1
    assert book(tmp_path).read() == {"a": 1}


def test_nobody_waits_for_ever_for_a_book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LOCK_TIMEOUT_S", 0.0)
    with open(tmp_path / ".lock", "a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(PreflightError, match="locked"), book(tmp_path).changing():
            pass


def test_a_book_that_cannot_be_kept_says_what_and_where(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    unusable = Book(tmp_path / "file/book.json", "the numbers", lock=tmp_path / ".lock")
    with pytest.raises(PreflightError, match=r"the numbers cannot be kept in .*book\.json"), unusable.changing():
        pass


def test_a_killed_writer_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    program = (
        "import os, pathlib, sys\nfrom daybreak.files import replacing\n"
        "with replacing(pathlib.Path(sys.argv[1])) as file:\n    file.write(b'half')\n    os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    assert path.read_text() == "old"


@pytest.mark.parametrize("put", ["a pipe", "a link", "a folder", "too much", "too deep", "no JSON", "a list"])
def test_a_book_that_somebody_else_could_write_to_keeps_nobody_waiting(tmp_path: Path, put: str) -> None:
    path, other = tmp_path / "book", tmp_path / "other"
    other.write_text('{"a": 1}')
    if put == "a pipe":
        os.mkfifo(path)
    elif put == "a link":
        path.symlink_to(other)
    elif put == "a folder":
        path.mkdir()
    else:
        texts = {
            "too much": '{"a": "' + "x" * MOST_BYTES + '"}',
            "too deep": "[" * 100_000,
            "no JSON": "x",
            "a list": "[]",
        }
        path.write_text(texts[put])
    assert read_book(path) == {}
    assert read_book(other) == {"a": 1}


def test_what_is_opened_is_a_regular_file_also_behind_a_link(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_text("x")
    (tmp_path / "to-pipe").symlink_to("pipe")
    (tmp_path / "to-file").symlink_to("file")
    with open(open_regular(tmp_path / "to-file", links=True)) as file:
        assert file.read() == "x"
    for name, links in (("to-file", False), ("to-pipe", True), ("pipe", False), ("none", True)):
        with pytest.raises(OSError):
            open_regular(tmp_path / name, links=links)
