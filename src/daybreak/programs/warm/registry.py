"""The files by which a template is known, in its folder: who comes after a crash, or only looks, finds them.

`forks/PID` holds, one a line: the fork's start time, its launcher's pid and start time (clock ticks since boot), and
the daybreak instance it belongs to.

`ends` holds how forks have ended that did not end well, one a line: the pid, and the exit code or the negative number
of a signal. Ray itself does not keep it.
"""

import os
import signal
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

from ..common import proc

# What the template tells of itself (JSON), what its forks have imported (`PID MODULE`), who was started without it.
STATE, SEEN, FALLBACKS = "state.json", "seen", "fallbacks"
SOCKET = "template.socket"
FORKS, ENDS = "forks", "ends"
MARKER = b"DAYBREAK_INSTANCE"
MOST_BYTES_OF_ENDS = 65536


class RecordedFork(NamedTuple):
    """One fork; times are clock ticks since boot."""

    pid: int
    started: int
    launcher: int
    launcher_started: int
    instance: str


def rows(folder: str) -> Iterator[RecordedFork]:
    """What is written in the folder `forks`, whether it still runs or not; half a file is left out. Raises OSError
    where something is there that cannot be read."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return
    for name in names:
        found = _row(folder, int(name)) if name.isdigit() else None
        if found is not None:
            yield found


def _row(folder: str, pid: int) -> Optional[RecordedFork]:
    try:
        with open(f"{folder}/{pid}", encoding="utf-8") as file:
            started, launcher, launcher_started, instance, *_ = file.read().split("\n")
        return RecordedFork(pid, int(started), int(launcher), int(launcher_started), instance)
    except (FileNotFoundError, ValueError):
        return None


def fallbacks(lines: List[str]) -> List[Tuple[str, str]]:
    """Why, and the arguments of what was started without a template; see launcher.py."""
    parts = [line.split("\t") for line in lines]
    return [(row[1], row[2]) for row in parts if len(row) == 3]


def started_ticks(pid: int) -> int:
    """When the process started, in clock ticks since boot; 0 where there is none."""
    found = proc.read(pid)
    return found.started_ticks if found else 0


class Registry:
    """The files of one template's forks."""

    def __init__(self, folder: str) -> None:
        self._ends = f"{folder}/{ENDS}"
        self._folder = f"{folder}/{FORKS}"
        self._exits = f"{folder}/exit-"
        self.make_folder()

    def make_folder(self) -> None:
        os.makedirs(self._folder, mode=0o700, exist_ok=True)

    def add(self, pid: int, launcher: int, env: Dict[bytes, bytes]) -> None:
        """Raises OSError where it cannot be written: nobody would find the fork then.

        An exit code that an earlier process of this number has left, with no template there to take it, goes: it would
        be taken for this one's.
        """
        try:
            os.unlink(f"{self._exits}{pid}")
        except FileNotFoundError:
            pass
        instance = env.get(MARKER, b"").decode("ascii", "replace")
        text = f"{started_ticks(pid)}\n{launcher}\n{started_ticks(launcher)}\n{instance}\n"
        with open(f"{self._folder}/{pid}", "wb", buffering=0, opener=_privately) as file:
            if file.write(text.encode()) != len(text):
                raise OSError("no space left")

    def remove(self, pid: int) -> None:
        try:
            os.unlink(f"{self._folder}/{pid}")
        except OSError:
            pass  # it names nobody any more: its start time is another's

    def ended(self, pid: int, status: int) -> None:
        """Note an end that is neither good nor an ordinary stop; `status` is what wait tells."""
        code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        if code in (0, -signal.SIGTERM):
            return
        try:
            with open(self._ends, "ab", buffering=0, opener=_privately) as file:
                if os.fstat(file.fileno()).st_size > MOST_BYTES_OF_ENDS:
                    file.truncate(0)
                file.write(b"%d %d\n" % (pid, code))
        except OSError:
            pass  # on a full disk this is not known

    def left_behind(self) -> List[Tuple[int, int]]:
        """Forks of an earlier template that run, each with a pidfd of its launcher; the rest is cleared away."""
        for name in os.listdir(self._folder):
            if not name.isdigit() or _row(self._folder, int(name)) is None:
                os.unlink(f"{self._folder}/{name}")
        found = []
        for row in rows(self._folder):
            launcher = _pidfd(row.launcher, row.launcher_started)
            if started_ticks(row.pid) != row.started:
                self.remove(row.pid)
            elif launcher is None:
                self.kill(row.pid)
            else:
                found.append((row.pid, launcher))
                continue
            if launcher is not None:
                os.close(launcher)
        return found

    def kill(self, pid: int) -> None:
        """End a fork that has lost its launcher, if it is still the same process."""
        row = _row(self._folder, pid)
        fd = _pidfd(pid, row.started) if row else None
        if fd is not None:
            signal.pidfd_send_signal(fd, signal.SIGKILL)
            os.close(fd)
        self.remove(pid)


def _pidfd(pid: int, started: int) -> Optional[int]:
    """A file that stands for the process, if it is the one that has started at that time."""
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return None
    if started_ticks(pid) == started:
        return fd
    os.close(fd)
    return None


def _privately(path: str, flags: int) -> Any:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)
