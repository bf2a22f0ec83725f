"""Which service a process is of, as its environment and its ancestors' show."""

from __future__ import annotations

from pathlib import Path

from daybreak.machine.listeners import marked_service


def process(proc: Path, pid: int, parent: int, environ: bytes = b"", cmdline: bytes = b"") -> None:
    folder = proc / str(pid)
    folder.mkdir()
    (folder / "stat").write_bytes(b"%d (a name) S %d %s" % (pid, parent, b"0 " * 48))
    (folder / "environ").write_bytes(environ)
    (folder / "cmdline").write_bytes(cmdline)


def test_the_nearest_process_that_shows_one_counts(tmp_path: Path) -> None:
    process(tmp_path, 10, 1, b"A=b\0DAYBREAK_SERVICE=head\0")
    process(tmp_path, 11, 10)  # has overwritten its environment
    process(tmp_path, 20, 1, cmdline=b"python\0-c\0...\0/src\0daybreak.keeper\0shop\0")
    process(tmp_path, 30, 1)
    assert [marked_service(pid, str(tmp_path)) for pid in (10, 11, 20, 30)] == ["head", "head", "keeper", ""]
