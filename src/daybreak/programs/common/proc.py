"""Processes, as /proc shows them. `proc` is another folder of the same form, for tests."""

import errno
import os
import time
from typing import Collection, Dict, Iterable, Iterator, List, NamedTuple, Optional

PROC = "/proc"
# What this process itself lacks says nothing about others.
SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
# The kernel takes microseconds to set up a program, unless it must wait for a processor.
LOOK_S, MOST_LOOKS = 0.001, 50
# PF_EXITING: it is on its way out, and what it had may be given back already or not.
EXITING = 0x4


class Process(NamedTuple):
    """One row of /proc. `started_ticks` is clock ticks since boot; the kernel cuts `comm` to 15 bytes."""

    pid: int
    parent: int
    session: int
    started_ticks: int
    comm: str
    state: str
    threads: int = 1
    flags: int = 0

    @property
    def zombie(self) -> bool:
        """Has it ended, and waits to be collected? Where only its first thread has ended, which /proc shows alike, the
        others still hold its files and ports."""
        return self.state in ("Z", "X") and self.threads <= 1

    @property
    def ending(self) -> bool:
        """Will it have ended in a moment? Until then its ports are taken, and its environment and its files may not be
        seen any more."""
        return bool(self.flags & EXITING) and not self.zombie

    @property
    def stopped(self) -> bool:
        """Has somebody stopped it, so that it does nothing until SIGCONT?"""
        return self.state in ("T", "t")


def read(pid: int, proc: str = PROC) -> Optional[Process]:
    """The process, or None where there is none (any more)."""
    # The command's name stands in parentheses and may itself hold any character.
    head, _, rest = contents(f"{proc}/{pid}/stat").decode("utf-8", "replace").rpartition(")")
    fields = rest.split()
    if len(fields) < 20:
        return None
    return Process(
        pid=pid,
        parent=int(fields[1]),
        session=int(fields[3]),
        started_ticks=int(fields[19]),
        comm=head.partition("(")[2],
        state=fields[0],
        threads=int(fields[17]),
        flags=int(fields[6]),
    )


def alive(pid: int, started_ticks: int) -> bool:
    """Whether that very process (not another with its number) is running."""
    found = read(pid)
    return found is not None and found.started_ticks == started_ticks and not found.zombie


def processes(proc: str = PROC) -> Iterator[Process]:
    """Every process that is not a zombie."""
    for entry in os.listdir(proc):
        if entry.isdigit():
            found = read(int(entry), proc)
            if found is not None and not found.zombie:
                yield found


def any_ends(proc: str = PROC) -> bool:
    """Is there a process that will have ended in a moment?"""
    return any(process.ending for process in processes(proc))


def descendants(rows: Iterable[Process], roots: Collection[int], stop: Collection[int] = ()) -> List[int]:
    """The pids of `roots`, and of all below them; what is below one of `stop` is left out with it."""
    children: Dict[int, List[int]] = {}
    for process in rows:
        children.setdefault(process.parent, []).append(process.pid)
    found = dict.fromkeys(roots)
    reach = list(found)
    while reach:
        new = [pid for pid in children.get(reach.pop(), ()) if pid not in found and pid not in stop]
        found.update(dict.fromkeys(new))
        reach += new
    return list(found)


def children(pid: int, proc: str = PROC) -> List[int]:
    """The pids of its children, zombies included; none where it has ended.

    Raises FileNotFoundError where the kernel does not list them.
    """
    found: List[int] = []
    try:
        threads = os.listdir(f"{proc}/{pid}/task")
    except FileNotFoundError:
        return found
    for thread in threads:
        try:
            with open(f"{proc}/{pid}/task/{thread}/children", "rb") as file:
                found += map(int, file.read().split())
        except (FileNotFoundError, ProcessLookupError):
            if os.path.exists(f"{proc}/{pid}/task/{thread}/stat"):
                raise FileNotFoundError("children") from None
    return found


def environment(pid: int, names: Collection[str], proc: str = PROC) -> Dict[str, str]:
    """The named variables of a process's first environment; empty where it cannot be read.

    Where it is just becoming another program, so that it has neither an environment nor arguments, that is waited for:
    who has started it knows of it already.
    """
    path = f"{proc}/{pid}/environ"
    raw, looks = contents(path), 1
    while not raw and looks < MOST_LOOKS and _is_becoming_another(pid, proc):
        time.sleep(LOOK_S)
        raw, looks = contents(path), looks + 1
    pairs = (os.fsdecode(word).partition("=") for word in raw.split(b"\0"))
    return {name: value for name, _, value in pairs if name in names}


def _is_becoming_another(pid: int, proc: str) -> bool:
    """A thread of the kernel, and what has ended, runs no file."""
    return not contents(f"{proc}/{pid}/cmdline") and bool(_target(f"{proc}/{pid}/exe"))


def arguments(pid: int, proc: str = PROC) -> List[str]:
    """Its command line; empty where it has ended, or is a thread of the kernel."""
    return null_separated(f"{proc}/{pid}/cmdline")


def command_line(pid: int) -> str:
    """The command line with spaces, or an empty text."""
    return contents(f"{PROC}/{pid}/cmdline").replace(b"\0", b" ").decode("utf-8", "replace").strip()


def is_helper(line: str, parts: Collection[str]) -> bool:
    """Has a command line one of these parts? One with a `^` in front must begin it."""
    return any(line.startswith(part[1:]) if part.startswith("^") else part in line for part in parts)


def working_folder(pid: int, proc: str = PROC) -> str:
    """The folder a process works in, or an empty text where it cannot be read."""
    return _target(f"{proc}/{pid}/cwd")


def open_files(pid: int) -> List[str]:
    """The paths of its open files; none where they cannot be read."""
    folder = f"{PROC}/{pid}/fd"
    try:
        names = os.listdir(folder)
    except OSError as error:
        if error.errno in SHORTAGES:
            raise
        return []
    return [path for path in (_target(f"{folder}/{name}") for name in names) if path]


def null_separated(path: str) -> List[str]:
    """What a file holds, cut where it has null bytes; names of files keep bytes that are no text."""
    return [os.fsdecode(word) for word in contents(path).split(b"\0")]


def contents(path: str) -> bytes:
    """What a file of /proc holds; empty where its process has ended, or is somebody else's."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        if error.errno in SHORTAGES:
            raise
        return b""


def _target(link: str) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""
