"""What a launcher does once its fork runs: signals are forwarded, the fork's end is awaited and repeated.

Loaded when the fork has been made, which does not wait for it. `python -IS fork_stand_in.py PID FOLDER` waits for a
fork in the place of a small shell that stands in (`stand.sh`), when the template has gone.
"""

import _signal  # type: ignore[import-not-found]
import posix
import sys

TYPE_CHECKING = False  # see launcher.py
if TYPE_CHECKING:
    from typing import Any, List

    from daybreak.programs.common.stand_in import end_like, forward_signals
else:
    sys.path.insert(0, __file__.rpartition("/")[0] + "/../common")
    neighbour = __import__("stand_in")  # a launcher has no packages
    end_like, forward_signals = neighbour.end_like, neighbour.forward_signals

# A shell names files by one digit: the connection, and the pipe that holds the fork back.
SHELL_FDS = (3, 4)


class ForkStandIn:
    """Standing in for the fork `pid` of the template in `folder`.

    The fork begins when `ready` is closed: signals are forwarded then. Until they are they end this process, and with
    it the fork.
    """

    def __init__(self, connection: "Any", pid: int, folder: str, ready: int = -1) -> None:
        self._connection = connection
        self._pid = pid
        self._exit_file = f"{folder}/exit-{pid}"
        self._ready = ready
        try:
            self._pidfd = posix.pidfd_open(pid, 0)
        except OSError:
            self._pidfd = -1  # it has ended already: its status is on the way

    def forward_signals(self) -> None:
        """From now on what is sent to this process is sent to the fork; nothing is held back here."""
        forward_signals(self._forward)
        posix.close(self._ready)

    def _forward(self, number: int, _frame: "Any") -> None:
        try:
            _signal.pidfd_send_signal(self._pidfd, number)
        except OSError:
            pass  # it has just ended: its status comes next

    def wait(self) -> int:
        """The fork's wait status. Where the template dies first, the fork leaves its exit code in a file."""
        self._connection.settimeout(None)
        line = b""
        try:
            while not line.endswith(b"\n"):
                part = self._connection.recv(16)
                if not part:
                    return self.wait_alone()
                line += part
        except OSError:
            return self.wait_alone()
        return int(line)

    def wait_alone(self) -> int:
        """Its wait status where there is no template to tell it: from a file that the fork leaves."""
        import select

        if self._pidfd >= 0:
            poll = select.poll()
            poll.register(self._pidfd, select.POLLIN)
            poll.poll()
        try:
            with open(self._exit_file, "rb") as file:
                left = file.read()
            posix.unlink(self._exit_file)
        except OSError:
            left = b""
        return int(left or b"1") << 8

    def become_shell(self, shell: "List[str]", arguments: "List[str]") -> None:
        """Go on as a small shell with the script `stand.sh`; the connection is its file 3, the pipe that it closes when
        it is ready its file 4. `shell` is its command line up to the fork's pid. Returns where there is no such shell.
        """
        if not posix.access(shell[0], posix.X_OK):
            return
        forward_signals(_signal.SIG_DFL)  # a shell cannot trap what it finds ignored
        self._connection.setblocking(True)
        # Both away from where they may stand in each other's way.
        theirs = [_above(self._connection.fileno()), _above(self._ready)]
        for number, fd in zip(SHELL_FDS, theirs):
            posix.dup2(fd, number)
        posix.execve(shell[0], [*shell, str(self._pid), *arguments], posix.environ)


def _above(fd: int) -> int:
    """A copy of the file above those that the shell gets; it ends with this program."""
    import fcntl

    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, SHELL_FDS[-1] + 1)


if __name__ == "__main__":
    end_like(ForkStandIn(None, int(sys.argv[1]), sys.argv[2]).wait_alone())
