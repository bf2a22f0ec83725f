"""Which forks there are, in files: whoever comes after a crash finds them.

`forks/PID` holds, one a line: the fork's start time, its launcher's pid and start time (clock ticks since boot), and
the daybreak instance it belongs to.

`ends` holds how forks have ended that did not end well, one a line: the pid, and the exit code or the negative number
of a signal. Ray itself does not keep it.
"""

import os
import signal
from typing import Dict, List, Tuple

MARKER = b"DAYBREAK_INSTANCE"
MOST_BYTES_OF_ENDS = 65536


def started_ticks(pid: int) -> int:
    """When the process started, in clock ticks since boot; 0 where there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return 0


class Registry:
    """The files of one template's folder."""

    def __init__(self, folder: str) -> None:
        self._ends = f"{folder}/ends"
        self._folder = f"{folder}/forks"
        os.makedirs(self._folder, mode=0o700, exist_ok=True)

    def add(self, pid: int, launcher: int, env: Dict[bytes, bytes]) -> None:
        instance = env.get(MARKER, b"").decode("ascii", "replace")
        text = f"{started_ticks(pid)}\n{launcher}\n{started_ticks(launcher)}\n{instance}\n"
        fd = os.open(f"{self._folder}/{pid}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        os.write(fd, text.encode())
        os.close(fd)

    def remove(self, pid: int) -> None:
        try:
            os.unlink(f"{self._folder}/{pid}")
        except FileNotFoundError:
            pass

    def ended(self, pid: int, status: int) -> None:
        """Note an end that is neither good nor an ordinary stop; `status` is what wait tells."""
        code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        if code in (0, -signal.SIGTERM):
            return
        try:
            fd = os.open(self._ends, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                if os.fstat(fd).st_size > MOST_BYTES_OF_ENDS:
                    os.ftruncate(fd, 0)
                os.write(fd, b"%d %d\n" % (pid, code))
            finally:
                os.close(fd)
        except OSError:
            pass  # on a full disk this is not known

    def left_behind(self) -> List[Tuple[int, int]]:
        """Forks of an earlier template that run, each with a pidfd of its launcher; the rest is cleared away."""
        found = []
        for name in os.listdir(self._folder):
            if not name.isdigit():
                continue
            pid = int(name)
            row = self._row(pid)
            if row is None or started_ticks(pid) != row[0]:
                self.remove(pid)
                continue
            try:
                launcher = os.pidfd_open(row[1])
            except OSError:
                self.kill(pid)
                continue
            if started_ticks(row[1]) != row[2]:
                os.close(launcher)
                self.kill(pid)
                continue
            found.append((pid, launcher))
        return found

    def kill(self, pid: int) -> None:
        """End a fork that has lost its launcher, if it is still the same process."""
        row = self._row(pid)
        try:
            fd = os.pidfd_open(pid)
        except OSError:
            fd = -1
        if fd >= 0:
            if row is not None and started_ticks(pid) == row[0]:
                signal.pidfd_send_signal(fd, signal.SIGKILL)
            os.close(fd)
        self.remove(pid)

    def _row(self, pid: int) -> "Tuple[int, int, int] | None":
        try:
            with open(f"{self._folder}/{pid}", encoding="utf-8") as file:
                lines = file.read().split("\n")
            return int(lines[0]), int(lines[1]), int(lines[2])
        except (OSError, ValueError, IndexError):
            return None
