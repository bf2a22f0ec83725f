"""The template's forks: making one, its end, and those that an earlier template has left."""

import errno
import os
import select
import signal
import sys
import warnings
from typing import Any, Callable, Dict, List, Tuple

from . import connections, registry, spares


class Forks:
    """Those that run, by pid, and how many there have been."""

    def __init__(self, folder: str, poll: "select.poll", count_modules: Callable[[], int]) -> None:
        self.records = registry.Registry(folder)
        self.running: Dict[int, connections.Launcher] = {}
        self.made = 0
        self.programs = Programs()
        self.spares = spares.Spares(self.programs.compiled, count_modules)
        self._orphans: Dict[int, int] = {}  # pidfd of a launcher -> pid of the fork that an earlier template made
        self._poll = poll

    def make(self, launcher: connections.Launcher) -> bool:
        """Fork; True in the fork. Raises Refused where that cannot be."""
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except OSError:
                pass  # on a full disk the log has a gap
        try:
            pid = os.fork()
        except OSError as error:
            raise connections.Refused(f"cannot fork: {os.strerror(error.errno or errno.EAGAIN)}") from None
        if pid == 0:
            return True
        self.follow(launcher, pid)
        return False

    def follow(self, launcher: connections.Launcher, pid: int) -> None:
        """This fork is the launcher's from now on."""
        self.made += 1
        launcher.pid = pid
        launcher.close_files()
        self.running[pid] = launcher

    def reap(self) -> List[connections.Launcher]:
        """Tell launchers what has become of their forks; returns those whose fork has ended."""
        ended: List[connections.Launcher] = []
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
            except ChildProcessError:
                return ended
            if pid == 0:
                return ended
            launcher = self.running.get(pid)
            number = connections.stops_or_continues(status)
            if number:
                if launcher:
                    launcher.follow(number)
                continue
            self.records.remove(pid)
            self.records.ended(pid, status)
            if launcher is None:
                self.spares.ended(pid)
            else:
                del self.running[pid]
                launcher.answer(b"%d\n" % status)
                ended.append(launcher)

    def kill(self, launcher: connections.Launcher) -> None:
        """End its fork, if it has one that runs: not yet reaped, the pid is still its own."""
        if launcher.pid in self.running:
            del self.running[launcher.pid]
            os.kill(launcher.pid, signal.SIGKILL)

    def adopt(self) -> None:
        """Forks that an earlier template left: killed when their launcher has ended, or ends."""
        for pid, launcher_fd in self.records.left_behind():
            self._orphans[launcher_fd] = pid
            self._poll.register(launcher_fd, select.POLLIN)

    def orphaned(self, launcher_fd: int) -> bool:
        """The end of a launcher that an earlier template had; False where the file is none of these."""
        if launcher_fd not in self._orphans:
            return False
        pid = self._orphans.pop(launcher_fd)
        self._poll.unregister(launcher_fd)
        os.close(launcher_fd)
        self.records.kill(pid)
        return True


class Programs:
    """Compiled programs, each kept while its file stays as it is: compiled here, every later fork has it."""

    def __init__(self) -> None:
        self._kept: Dict[str, Tuple[Tuple[int, int, int], Any]] = {}

    def compiled(self, program: Dict[str, Any]) -> Any:
        """None for a module. Raises Refused where it does not compile."""
        if program["kind"] == "module":
            return None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if program["kind"] == "command":
                    return compile(program["what"], "<string>", "exec", dont_inherit=True)
                return self._of_file(program["what"])
        except Exception as error:
            raise connections.Refused(f"it does not compile: {type(error).__name__}") from None

    def _of_file(self, path: str) -> Any:
        found = os.stat(path)
        stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
        kept = self._kept.get(path)
        if kept is None or kept[0] != stamp:
            with open(path, "rb") as file:
                kept = self._kept[path] = (stamp, compile(file.read(), path, "exec", dont_inherit=True))
        return kept[1]
