"""The first program of a container that is a Ray node: `python -IS node.py JOB.json`.

It starts `ray start` and what belongs to it; runs further programs for whoever asks at its socket (see stand_in.py);
collects orphans; and ends when a process has ended that the node cannot do without. Asked to end, it asks Ray's
processes first and then ends itself, which ends everything else in the container.

The job (JSON): `start` (a command), `vital` (names of processes), `afterwards` (parts of command lines, or with a `^`
in front their beginnings: they have nothing to save), `grace_s`. What may be left out: `template` (the command of a
warm template), `door` (its socket), `launcher` (what programs are started by that wait for that); `socket`; `secrets`
(variable to file); `folders` to make and files to `discard`; `after` (`address`, `within_s`: what must accept a
connection first); `deploy` (see deployment.py).
"""

import json
import os
import select
import signal
import socket
import sys
import time
from typing import Any, Dict, Iterator, List, NoReturn

if not __package__:  # run as a file: its neighbours are found under a name that nobody else has, and nowhere else
    sys.modules["daybreak_programs"] = shelf = type(sys)("daybreak_programs")
    here = os.path.dirname(os.path.abspath(__file__))
    shelf.__path__ = [os.path.dirname(here)]
    sys.path[:] = [folder for folder in sys.path if folder != here]
    __package__ = "daybreak_programs.node"

from ..common import proc
from .deployment import Deployment
from .program_request import DEFAULTS, send
from .programs import Programs

NAP_MS = 250
# While something is waited for that no event tells: the template's door, or one of Ray's processes.
DOOR_NAP_MS = 5
FIND_NAP_MS = 20
CONNECT_S = 5.0
TEMPLATE_AGAIN_S = 1.0
LOST_SOMETHING = 1
OUT_OF_MEMORY = 137
# Version 2 of control groups, and version 1: both have a line `oom_kill NUMBER`.
OOM_COUNTS = ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control")
OPTIONAL: Dict[str, Any] = {
    "template": None,
    "door": None,
    "launcher": "",
    "socket": None,
    "secrets": {},
    "folders": [],
    "discard": [],
    "after": None,
    "deploy": None,
}


def say(text: str) -> None:
    print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} node: {text}", flush=True)


class Node:
    """The loop: start, listen, collect, end."""

    def __init__(self, job: Dict[str, Any]) -> None:
        self.job = {**OPTIONAL, **job}
        self.template = 0
        self.template_at = 0.0
        self.main = 0
        self.vital: Dict[int, proc.Process] = {}  # by the process's file
        self.missing = set(job["vital"])
        self.ending = False
        self.poll = select.poll()
        self.programs = Programs(self.poll)
        self.deployment = Deployment(self.job["deploy"], say) if self.job["deploy"] else None
        self.wake, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _noted)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, self._end)
        self.poll.register(self.wake, select.POLLIN)

    def _end(self, *_: Any) -> None:
        self.ending = True

    def run(self) -> NoReturn:
        """Never returns: what ends it is what ends the container."""
        self._prepare()
        if self.job["after"]:
            self._wait_for(**self.job["after"])
        if not self.ending:
            # First what takes longest: its imports take as long as the head's start.
            self._look_after_others()
            self.main = _spawn(self.job["start"])
        if self.job["socket"]:
            self.programs.listen(self.job["socket"])
        while not self.ending:
            self._turn()
        self._ask_all_to_end()
        os._exit(0)

    def _prepare(self) -> None:
        for folder in self.job["folders"]:
            os.makedirs(folder, mode=0o700, exist_ok=True)
        for path in filter(None, [*self.job["discard"], self.job["socket"], self.job["door"]]):
            if os.path.lexists(path):
                os.unlink(path)
        for name, path in self.job["secrets"].items():
            with open(path, encoding="utf-8") as file:
                os.environ[name] = file.read().strip()

    def _wait_for(self, address: str, within_s: float) -> None:
        """Until the port accepts a connection, or this program is to end."""
        host, _, port = address.rpartition(":")
        until = time.monotonic() + within_s
        while not self.ending:
            try:
                socket.create_connection((host, int(port)), timeout=CONNECT_S).close()
                return
            except OSError as error:
                if time.monotonic() >= until:
                    self._leave(f"{address} does not answer within {within_s:g} s: {error}", LOST_SOMETHING)
            self.poll.poll(NAP_MS)
            self._collect()

    def _turn(self) -> None:
        nap_ms = DOOR_NAP_MS if self.programs.wait else FIND_NAP_MS if self.missing else NAP_MS
        for fd, _ in self.poll.poll(nap_ms):
            if fd in self.vital:
                lost = self.vital[fd]
                self._leave(f"{lost.comm} (pid {lost.pid}) has ended; so does this container", LOST_SOMETHING)
            self.programs.happened(fd)
        self._collect()
        self.programs.start(self.job["launcher"], bool(self.template) and not os.path.exists(self.job["door"]))
        if self.missing:
            self._find_vital()
        self._look_after_others()

    def _look_after_others(self) -> None:
        """The template and the deployment are started where they do not run."""
        if self.job["template"] and not self.template and time.monotonic() >= self.template_at:
            self.template = _spawn(self.job["template"])
        if self.deployment:
            self.deployment.look(_spawn)

    def _find_vital(self) -> None:
        """Look for the processes that the node cannot do without, as long as one was not seen yet."""
        for process in _others():
            if process.comm in self.missing and process.pid != self.main:
                try:
                    fd = os.pidfd_open(process.pid)
                except OSError:
                    continue
                self.missing.discard(process.comm)
                self.vital[fd] = process
                self.poll.register(fd, select.POLLIN)

    def _collect(self) -> None:
        """Wait for whoever has ended, and tell those who asked for it."""
        try:
            os.read(self.wake, 4096)
        except BlockingIOError:
            pass
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            if self.programs.ended(pid, status) or (self.deployment and self.deployment.ended(pid, status)):
                continue
            if pid == self.template:
                say(f"the warm template ended ({_how(status)}); another one is started")
                self.template, self.template_at = 0, time.monotonic() + TEMPLATE_AGAIN_S
            elif pid == self.main and not self.ending:
                self._leave(f"ray start ended: {_how(status)}", _code(status) or LOST_SOMETHING)

    def _leave(self, why: str, code: int) -> NoReturn:
        """What is left of the node ends with this process."""
        killed = _killed_for_memory()
        if killed:
            say(f"{killed} of its processes were killed because the container's memory was used up")
            code = OUT_OF_MEMORY
        say(why)
        os._exit(code)

    def _ask_all_to_end(self) -> None:
        """Ask everything but Ray's helpers, and return when it has ended, or after the grace period.

        A fork is asked through its launcher.
        """
        if self.deployment:
            self.deployment.kill()
        until = time.monotonic() + self.job["grace_s"]
        asked = set()
        while time.monotonic() < until:
            left = [p for p in _others() if p.pid != self.template and not self._comes_afterwards(p)]
            if not left:
                return
            for process in left:
                if process.pid not in asked and (process.parent != self.template or not self.template):
                    asked.add(process.pid)
                    send(process.pid, signal.SIGTERM)
            self.poll.poll(DOOR_NAP_MS)
            self._collect()

    def _comes_afterwards(self, process: proc.Process) -> bool:
        return proc.is_helper(proc.command_line(process.pid), self.job["afterwards"])


def _others() -> Iterator[proc.Process]:
    return (process for process in proc.processes() if process.pid != os.getpid())


def _spawn(argv: List[str]) -> int:
    return os.posix_spawnp(argv[0], argv, os.environ, setsigdef=DEFAULTS)


def _code(status: int) -> int:
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


def _how(status: int) -> str:
    return f"exit code {os.WEXITSTATUS(status)}" if os.WIFEXITED(status) else f"signal {os.WTERMSIG(status)}"


def _killed_for_memory() -> int:
    """How many processes of this container the kernel has killed to stay within its limit."""
    for path in OOM_COUNTS:
        try:
            with open(path, encoding="utf-8") as file:
                counts = dict(line.split(None, 1) for line in file if " " in line)
            return int(counts.get("oom_kill", "0"))
        except (OSError, ValueError):
            continue
    return 0


def _noted(*_: Any) -> None:
    """A Python handler, so that the wake-up descriptor is written; the loop collects."""


def main() -> NoReturn:
    if os.getpid() != 1:
        sys.exit("it ends every process that it sees: it must be the first one of a container")
    with open(sys.argv[1], encoding="utf-8") as file:
        job = json.load(file)
    Node(job).run()


if __name__ == "__main__":
    main()
