"""What was saved is told once, however it was written: with the kernel's word, and by looks alone."""

from __future__ import annotations

import contextlib
import itertools
import queue
import subprocess
import threading
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import psutil
import pytest

from daybreak.extras.dev import watching
from daybreak.extras.dev.ignoring import ignoring
from daybreak.extras.dev.tree import Tree
from daybreak.extras.dev.watching import saves, tells_nothing
from tests.helpers import DEADLINE_S

Told = queue.Queue[list[Path]]
BEGUN = "begun.py"


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "POLL_S", 0.05)


@pytest.fixture(name="told", params=[False, True], ids=["told by the kernel", "by looks"])
def _told(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Told]:
    """What is told of `tmp_path`, from when it is watched on."""
    (tmp_path / "app.py").write_text("x = 1\n")
    yield from _watched(tmp_path, poll=request.param)


def _watched(folder: Path, *, poll: bool) -> Generator[Told, None, None]:
    found: Told = queue.Queue()
    stop = threading.Event()
    tree = Tree(folder, frozenset({folder / "daybreak.yaml"}), ignoring(folder, ()))

    def watch() -> None:
        for saved in saves(tree, stop, tree.now(), poll=poll):
            found.put(saved)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        # The first look has been, or it has not: what is written until then is seen by neither.
        _written_until_told(found, folder / BEGUN)
        yield found
    finally:
        stop.set()
        thread.join()


def _written_until_told(told: Told, file: Path) -> None:
    for count in itertools.count():
        file.write_text(f"x = {count}\n")
        with contextlib.suppress(queue.Empty):
            told.get(timeout=watching.POLL_S * 2)
            return


@pytest.mark.parametrize("poll", [False, True])
def test_what_was_saved_before_watching_began_is_told(tmp_path: Path, poll: bool) -> None:
    """As during the first start of a cluster, which takes a while."""
    app, stop = tmp_path / "app.py", threading.Event()
    app.write_text("x = 1\n")
    tree = Tree(tmp_path, frozenset(), ignoring(tmp_path, ()))
    before = tree.now()
    app.write_text("x = 22\n")
    assert next(saves(tree, stop, before, poll=poll)) == [app]


def next_of(told: Told) -> list[Path]:
    """The next save, but for those that have shown that watching has begun."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        if saved := [path for path in told.get(timeout=DEADLINE_S) if path.name != BEGUN]:
            return saved
    raise AssertionError("nothing is told")


def test_a_save_is_told(told: Told, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("x = 22\n")
    assert next_of(told) == [tmp_path / "app.py"]


def test_an_editor_that_renames_is_understood(told: Told, tmp_path: Path) -> None:
    (tmp_path / ".app.py.swp").write_text("x = 22\n")
    (tmp_path / ".app.py.swp").rename(tmp_path / "app.py")
    assert next_of(told) == [tmp_path / "app.py"]


def test_a_new_folder_is_watched_as_well(told: Told, tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "cart.py").write_text("x = 1\n")
    assert next_of(told) == [tmp_path / "shop" / "cart.py"]
    (tmp_path / "shop" / "cart.py").write_text("x = 22\n")
    assert next_of(told) == [tmp_path / "shop" / "cart.py"]


def test_what_is_no_code_is_not_told(told: Told, tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("nothing\n")
    (tmp_path / "daybreak.yaml").write_text("name: it\n")
    assert next_of(told) == [tmp_path / "daybreak.yaml"]


def test_a_checkout_of_many_files_is_told_at_once(tmp_path: Path) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@example.org"]

    def run(*words: str) -> None:
        subprocess.run([*git, *words], check=True, capture_output=True)

    run("init", "-b", "main")
    names = [f"m{number:03}.py" for number in range(100)]
    for version in ("one", "two"):
        for name in names:
            (tmp_path / name).write_text(f"x = '{version}'\n")
        run("add", ".")
        run("commit", "-m", version)
    watched = _watched(tmp_path, poll=False)
    told = next(watched)
    run("checkout", "-q", "HEAD~1")
    found: set[Path] = set()
    batches = 0
    while len(found) < len(names):
        found.update(next_of(told))
        batches += 1
    assert found == {tmp_path / name for name in names}
    assert batches < len(names) / 10
    watched.close()


def test_where_the_kernel_watches_no_more_there_are_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError("OS file watch limit reached.")

    monkeypatch.setattr(watching, "watch", full)
    watched = _watched(tmp_path, poll=False)
    told = next(watched)
    (tmp_path / "app.py").write_text("x = 22\n")
    assert next_of(told) == [tmp_path / "app.py"]
    watched.close()


def test_network_file_systems_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Part:
        def __init__(self, mountpoint: object, fstype: str) -> None:
            self.mountpoint, self.fstype = str(mountpoint), fstype

    inside = tmp_path / "far" / "away"
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: [Part("/", "ext4"), Part(tmp_path / "far", "nfs4")])
    assert tells_nothing(inside)
    assert not tells_nothing(tmp_path)
