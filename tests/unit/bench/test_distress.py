"""What a cluster has to bear: brought about for a while, and taken back; and what an account sees is judged."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from bench.commands import RunFailed
from bench.faults import account, bounds, crowds, shortages, stranger
from bench.faults.distress import Distress
from bench.faults.distresses import DISTRESSES
from bench.faults.small import Small


def target(folder: Path, **values: Any) -> Any:
    """As much of a cluster as is looked at."""
    for name in ("root", "runtime", "data", "logs"):
        (folder / name).mkdir(exist_ok=True)
    paths = SimpleNamespace(**{name: folder / name for name in ("root", "runtime", "data", "logs")})
    return SimpleNamespace(paths=paths, status=lambda: {"keeper_pid": os.getpid(), "urls": {}, **values})


def test_each_row_has_an_end() -> None:
    assert all(0 < distress.lasts_s <= 60 for distress in DISTRESSES)


def test_a_disk_is_full_to_the_last_byte_and_free_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = [shortages.BLOCK, shortages.LAST, b"\0"]
    left = 3 * len(shortages.BLOCK) + 5 * len(shortages.LAST) + 7

    def write(_: int, block: bytes) -> int:
        nonlocal left
        if len(block) > left:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        left -= len(block)
        return len(block)

    monkeypatch.setattr(os, "write", write)
    with shortages.full("state")(target(tmp_path)):
        assert left == 0
        assert (tmp_path / "root" / shortages.FILLER).exists()
    assert not (tmp_path / "root" / shortages.FILLER).exists()
    assert [len(block) for block in room] == sorted(map(len, room), reverse=True)


def test_the_disk_of_the_whole_machine_is_not_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shortages, "MOST_BYTES", 1)
    row = next(distress for distress in DISTRESSES if distress.name == "full-state")
    assert "is not a small file system of its own" in row.why_not(target(tmp_path))
    assert row.kind.small == {"state"}


def test_a_keeper_without_files_has_them_back_afterwards(tmp_path: Path) -> None:
    program = "import os; os.dup2(0, 50); input()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE) as child:
        while not Path(f"/proc/{child.pid}/fd/50").exists():
            pass
        before = resource.prlimit(child.pid, resource.RLIMIT_NOFILE)
        with shortages.no_files_for_the_keeper(target(tmp_path, keeper_pid=child.pid)):
            assert resource.prlimit(child.pid, resource.RLIMIT_NOFILE) == (3 + shortages.SPARE_FILES, before[1])
        assert resource.prlimit(child.pid, resource.RLIMIT_NOFILE) == before
        child.communicate(b"\n")


def test_bounds_that_are_passed_are_told_once_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MOST_MEMORY_MB", 0)
    monkeypatch.setattr(bounds, "silence", lambda page: f"{page} is silent")
    monkeypatch.setattr(bounds, "MOST_LOGS_MB", -1)
    there = target(tmp_path, urls={"page": "http://page"})
    struck = Distress("a", "b", lambda _: open(os.devnull), lasts_s=0.0).bring_about(there)
    assert struck.began_s <= struck.ended_s
    memory, page, logs = sorted(struck.exceeded, key=lambda words: ("keeper" not in words, "page" not in words))
    assert memory.startswith("the keeper had ")
    assert page == "http://page is silent"
    assert logs == "logs grew by 0 MB"


def test_a_crowd_connects_and_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(crowds, "doors", lambda _: [server.getsockname()])
        with crowds.silent(target(tmp_path), 3) as made:
            assert made == 3
        client, _ = server.accept()
        with client:
            assert client.recv(1) == b""


def test_only_root_can_make_a_small_file_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert Small.why_not() == account.why_not().replace("become somebody else", "make a small file system")


def test_small_file_systems_are_all_there_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    def answer(argv: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        said.append(f"{argv[0]} {Path(argv[-1]).name}")
        return subprocess.CompletedProcess(argv, int(said[-1] == "mount data"), "", "no such device")

    monkeypatch.setattr(subprocess, "run", answer)
    small = Small()
    with pytest.raises(RunFailed, match="data cannot be made a small file system: no such device"):
        small.mount({"state": tmp_path / "state", "data": tmp_path / "data"})
    assert said == ["mount state", "mount data", "umount state"]
    assert small.names == frozenset()


def test_what_an_account_may_know_of_processes_is_known_and_all_else_is_too_much() -> None:
    found = {
        "files": {"/dev/shm/x": "read"},
        "sockets": {"@abstract": "connect"},
        "ports": {"127.0.0.1:8000": "connect"},
        "urls": {"http://page/": "303", "http://page/api/status": "200"},
        "processes": {
            "7/cmdline": "redis-server *:6379",
            "7/environ": "A=1",
            "8/cmdline": "x --password=secret-word-1",
        },
    }
    seen = account.judged(found, {"secret-word-1"})
    assert seen.beyond == (
        "/dev/shm/x: read",
        "@abstract: connect",
        "http://page/api/status: 200",
        "/proc/7/environ: read",
        "/proc/8/cmdline: holds a secret",
    )
    assert ("port", "127.0.0.1:8000", "connect") in seen.rows


def test_an_account_tries_files_and_processes(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert dict(stranger._files([str(tmp_path), str(tmp_path / "file"), "/nowhere"])).keys() == {
        str(tmp_path),
        str(tmp_path / "file"),
    }
    assert f"{os.getpid()}/comm" in dict(stranger._processes([os.getpid()]))
