"""Log rotation that needs nothing from who writes: copy the end, then cut. They append, so the cut is safe for them.

What Ray's processes print is in folders that containers may write to: no link in them is ever followed.
"""

from __future__ import annotations

import fnmatch
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from daybreak.keeper.ray.sessions import LATEST

MOST_BYTES = 10 * 1024 * 1024
KEEP = 3
# What programs print, and what the gateway tells of requests.
PATTERNS = ("*.log", "*.access")
# Ray follows these files itself, for drivers; its older versions lose some lines where one is cut, so that is rare.
PRINTED_BYTES = 50 * 1024 * 1024
PRINTED_KEEP = 1
# What a task, an actor or a replica prints. Ray rotates its own logs, but these only where it is told to, and then by a
# thread of the process that prints: its last words would be lost with it.
PRINTED = ("worker-*.out", "worker-*.err")
INTERVAL_S = 30.0
# Ray writes into the first lines of a process's files whose it is; whoever reads them looks for that.
_WHOSE = re.compile(rb"^:(?:job_id|actor_name):[^\n]*\n", re.MULTILINE)
_BEGIN = 4096
_BLOCK = 1024 * 1024
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def rotate(
    folder: Path, patterns: tuple[str, ...] = PATTERNS, *, most_bytes: int = MOST_BYTES, keep: int = KEEP
) -> list[Path]:
    """Rotate every file over the limit: NAME.1 is the newest of `keep` old ones, with its last `most_bytes`.

    Returns what was rotated.
    """
    with _opened(folder) as place:
        return [folder / name for name in _rotated(place, patterns, most_bytes, keep)]


def rotate_printed(runtime: Path, *, most_bytes: int = PRINTED_BYTES, keep: int = PRINTED_KEEP) -> list[Path]:
    """The same for what was printed in the latest session of every node; returns what was rotated."""
    found = []
    for node in sorted(runtime.iterdir()) if runtime.is_dir() else ():
        with _opened(node) as place, _inside(place, _latest(place)) as session, _inside(session, "logs") as logs:
            names = _rotated(logs, PRINTED, most_bytes, keep)
            found += [node / _latest(place) / "logs" / name for name in names]
    return found


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    """Its descriptor, -1 where it is no folder."""
    with _inside(None, str(folder)) as place:
        yield place


@contextmanager
def _inside(place: int | None, name: str) -> Iterator[int]:
    try:
        opened = os.open(name, _FOLDER, dir_fd=place) if name and place != -1 else -1
    except OSError:
        opened = -1
    try:
        yield opened
    finally:
        if opened != -1:
            os.close(opened)


def _latest(place: int) -> str:
    """The name of a node's latest session; the path before it may be one inside a container."""
    try:
        name = os.path.basename(os.readlink(LATEST, dir_fd=place)) if place != -1 else ""
    except OSError:
        return ""
    return name if name.startswith("session_") else ""


def _rotated(place: int, patterns: tuple[str, ...], most_bytes: int, keep: int) -> Iterator[str]:
    """Rotate the files in a folder, and name those."""
    for name in sorted(os.listdir(place)) if place != -1 else ():
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
            with suppress(OSError):  # a full disk: the next round tries again
                if _rotate_one(place, name, most_bytes, keep):
                    yield name


def _rotate_one(place: int, name: str, most_bytes: int, keep: int) -> bool:
    log = os.open(name, os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=place)
    try:
        found = os.fstat(log)
        if not stat.S_ISREG(found.st_mode) or found.st_size <= most_bytes:
            return False
        _copy_end(place, log, f".{name}.new", most_bytes)
        for number in range(keep - 1, 0, -1):
            with suppress(FileNotFoundError):
                os.rename(f"{name}.{number}", f"{name}.{number + 1}", src_dir_fd=place, dst_dir_fd=place)
        os.rename(f".{name}.new", f"{name}.1", src_dir_fd=place, dst_dir_fd=place)
        begin = b"".join(_WHOSE.findall(os.pread(log, _BEGIN, 0)))
        os.ftruncate(log, 0)
        os.write(log, begin)
        return True
    finally:
        os.close(log)


def _copy_end(place: int, log: int, name: str, most_bytes: int) -> None:
    """Copy the last `most_bytes`, whole lines, into a new file; on a full disk nothing is left of it."""
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=place)
    copy = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=place)
    try:
        size = os.fstat(log).st_size
        offset = max(0, size - most_bytes)
        begun = offset == 0
        with open(copy, "wb") as file:
            # What is written meanwhile is copied, too, unless it is written faster than that.
            while offset < size + most_bytes and (block := os.pread(log, _BLOCK, offset)):
                offset += len(block)
                # A line that is cut in the middle would be taken for a whole one.
                file.write(block if begun else block.partition(b"\n")[2] or block)
                begun = True
    except BaseException:
        os.unlink(name, dir_fd=place)
        raise
