"""Finding and naming Linux processes: identity by pid and start time, membership by marker, session and parentage.

Ray's processes overwrite their own environment when they set a title, and its workers leave the process group, so no
single sign finds them all: the environment marker, the session and the tree of parents together do.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PROC = Path("/proc")
MARKER = "DAYBREAK_INSTANCE"
# A keeper has this one alone, its services both.
CLUSTER_MARKER = "DAYBREAK_CLUSTER_ROOT"


@dataclass(frozen=True)
class Process:
    """One row of /proc. `started_ticks` is clock ticks since boot."""

    pid: int
    parent: int
    session: int
    started_ticks: int
    comm: str
    state: str

    @property
    def zombie(self) -> bool:
        return self.state in ("Z", "X")


@cache
def pid_namespace() -> str:
    """What a pid means something in: a name that the kernel gives, such as `pid:[4026531836]`."""
    try:
        return os.readlink(PROC / "self/ns/pid")
    except OSError:
        return ""


def shares(pid: int, kind: str) -> bool:
    """Is the process in the same namespace as this one? `kind` is `mnt`, `net`, `pid`; yes where it cannot be known."""
    try:
        return os.readlink(PROC / str(pid) / "ns" / kind) == os.readlink(PROC / "self/ns" / kind)
    except OSError:
        return True


@cache
def boot_id() -> str:
    """Changes with every boot of the machine."""
    return (PROC / "sys/kernel/random/boot_id").read_text().strip()


def read(pid: int) -> Process | None:
    """The process, or None where there is none (any more)."""
    try:
        raw = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    # The command's name stands in parentheses and may itself hold any character.
    head, _, rest = raw.rpartition(")")
    fields = rest.split()
    return Process(
        pid=pid,
        parent=int(fields[1]),
        session=int(fields[3]),
        started_ticks=int(fields[19]),
        comm=head.partition("(")[2],
        state=fields[0],
    )


def alive(pid: int, started_ticks: int) -> bool:
    """Whether that very process (not another with its number) is running."""
    found = read(pid)
    return found is not None and found.started_ticks == started_ticks and not found.zombie


def processes() -> Iterator[Process]:
    """Every process that is not a zombie."""
    for entry in os.listdir(PROC):
        if entry.isdigit():
            found = read(int(entry))
            if found is not None and not found.zombie:
                yield found


def environment(pid: int, names: tuple[str, ...]) -> dict[str, str]:
    """The named variables of a process's first environment; empty where it cannot be read."""
    try:
        raw = (PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return {}
    found = {}
    for pair in raw.split(b"\0"):
        key, _, value = pair.partition(b"=")
        name = key.decode(errors="replace")
        if name in names:
            found[name] = value.decode(errors="replace")
    return found


def command_line(pid: int) -> str:
    """The command line with spaces, or an empty text."""
    try:
        raw = (PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return ""
    return raw.replace(b"\0", b" ").decode(errors="replace").strip()


def working_folder(pid: int) -> str:
    """The folder a process works in, or an empty text where it cannot be read."""
    try:
        return os.readlink(PROC / str(pid) / "cwd")
    except OSError:
        return ""


def mentioned(words: Collection[str]) -> set[str]:
    """Those of `words` that any process has in its command line, its working folder or the paths of its open files.

    Of another user's process only the command line can be read.
    """
    found: set[str] = set()
    for process in processes():
        texts = [command_line(process.pid), working_folder(process.pid), *open_files(process.pid)]
        found |= {word for word in words if any(word in text for text in texts)}
    return found


def open_files(pid: int) -> list[str]:
    """The paths of its open files; none where they cannot be read."""
    folder, found = PROC / str(pid) / "fd", []
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    for name in names:
        try:
            found.append(os.readlink(folder / name))
        except OSError:
            continue
    return found


@dataclass(frozen=True)
class Fork:
    """A process that a warm template has forked, the instance it belongs to, and whether its launcher lives."""

    process: Process
    instance: str
    has_launcher: bool


def forks(folder: Path) -> dict[int, Fork]:
    """The live forks by pid; see daybreak.warm.registry."""
    found = {}
    try:
        names = os.listdir(folder)
    except OSError:
        return {}
    for name in names:
        try:
            ticks, launcher, launcher_ticks, instance, *_ = (folder / name).read_text().split("\n")
            process = read(int(name))
            has_launcher = alive(int(launcher), int(launcher_ticks))
        except (OSError, ValueError):
            continue
        if process and process.started_ticks == int(ticks) and not process.zombie:
            found[process.pid] = Fork(process, instance, has_launcher)
    return found


def members(
    instance: str,
    main: int,
    main_ticks: int,
    *,
    working: tuple[str, str] = ("", ""),
    forks: Collection[int] = (),
) -> list[Process]:
    """Every live process of one instance: with its marker, in its session, of the name and in the folder `working`,
    among `forks`, or below one such.

    What is marked as another's is not, nor what is below that: a keeper, which a command has started in this instance,
    and all that the keeper has started.
    """
    rows = {process.pid: process for process in processes()}
    marks = {pid: environment(pid, (MARKER, CLUSTER_MARKER)) for pid in rows}
    leader = rows.get(main)
    # A session's number is not given away while anyone is in it; a leader with another start time is a stranger.
    ours = leader is None or leader.started_ticks == main_ticks
    found = {
        pid
        for pid, process in rows.items()
        if (ours and process.session == main)
        or pid in forks
        or marks[pid].get(MARKER) == instance
        or works(process, *working)
    }
    children: dict[int, list[int]] = {}
    for process in rows.values():
        children.setdefault(process.parent, []).append(process.pid)
    reach = list(found)
    while reach:
        for child in children.get(reach.pop(), ()):
            if child not in found and not (marks[child] and marks[child].get(MARKER) != instance):
                found.add(child)
                reach.append(child)
    found.discard(os.getpid())
    return [rows[pid] for pid in sorted(found)]


def works(process: Process, name: str, folder: str) -> bool:
    """Has the process that name, and that folder? Who merely stands there, a shell or an editor, is a stranger."""
    return bool(name and folder) and process.comm == name and working_folder(process.pid) == folder


def marked(root: str) -> dict[str, list[Process]]:
    """Every live process with the marker of the cluster at `root`, by instance."""
    found: dict[str, list[Process]] = {}
    for process in processes():
        variables = environment(process.pid, (MARKER, CLUSTER_MARKER))
        if variables.get(CLUSTER_MARKER) == root and MARKER in variables:
            found.setdefault(variables[MARKER], []).append(process)
    return found
