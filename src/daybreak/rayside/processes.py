"""The processes of a container, from /proc."""

import os
from typing import Iterator, NamedTuple, Optional


class Process(NamedTuple):
    """One that is not just waiting to be collected. `name` is cut to 15 characters by the kernel."""

    pid: int
    parent: int
    name: str


def all_others() -> Iterator[Process]:
    """Every process but this one."""
    own = os.getpid()
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != own:
            found = _read(int(entry))
            if found:
                yield found


def send(pid: int, number: int) -> None:
    """A signal to a process, if it is still there."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def command_line(pid: int) -> str:
    """Its arguments, separated by blanks; empty where it has ended."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return ""


def _read(pid: int) -> Optional[Process]:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return None
    state, parent = text.rpartition(")")[2].split()[:2]
    if state in "ZX":
        return None
    return Process(pid, int(parent), text[text.index("(") + 1 : text.rindex(")")])
