"""The first program of a container that is a Ray node: `python -IS node.py JOB.json`.

It starts the node's warm template and, beside it, `ray start`; runs further programs for whoever asks at its socket
(see within.py); collects orphans; and ends when a process has ended that the node cannot do without. Asked to end, it
asks Ray's processes first and then ends itself, which ends everything else in the container.

The job (JSON): `template` (a command or null), `door` (the template's socket, or null), `launcher` (what programs are
started by that wait for that), `start` (a command), `vital` (names of processes), `afterwards` (parts of command lines,
or with a `^` in front their beginnings: they have nothing to save), `grace_s`, `socket`, `secrets` (variable to file),
`folders`, `discard`.
"""

import json
import os
import select
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING, Any, Dict, List, NoReturn

if TYPE_CHECKING:
    from daybreak.rayside import processes
    from daybreak.rayside.asked import DEFAULTS, Program
else:  # run as a file, by an interpreter that looks for modules nowhere else
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import processes
    from asked import DEFAULTS, Program

NAP_MS = 250
# While something is waited for that no event tells: the template's door, or one of Ray's processes.
DOOR_NAP_MS = 5
FIND_NAP_MS = 20
TEMPLATE_AGAIN_S = 1.0
# A program is started cold where there is no template by then.
DOOR_S = 10.0
LOST_SOMETHING = 1
OUT_OF_MEMORY = 137
# Version 2 of control groups, and version 1: both have a line `oom_kill NUMBER`.
OOM_COUNTS = ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control")


def say(text: str) -> None:
    print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} node: {text}", flush=True)


class Node:
    """The loop: start, listen, collect, end."""

    def __init__(self, job: Dict[str, Any]) -> None:
        self.job = job
        self.template = 0
        self.template_at = 0.0
        self.main = 0
        self.programs: Dict[int, Program] = {}
        self.by_pid: Dict[int, Program] = {}
        self.vital: Dict[int, int] = {}  # the process's file -> its pid
        self.missing = set(job["vital"])
        self.ending = False
        self.poll = select.poll()
        self.wake, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _noted)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, self._end)
        self.poll.register(self.wake, select.POLLIN)

    def _end(self, *_: Any) -> None:
        self.ending = True

    # --- the loop -----------------------------------------------------------------------------------------------------

    def run(self) -> NoReturn:
        self._prepare()
        self._start_template()
        self.main = self._spawn(self.job["start"])
        self.listening = self._listen()
        self.poll.register(self.listening, select.POLLIN)
        while not self.ending:
            self._turn()
        self._ask_all_to_end()
        os._exit(0)

    def _prepare(self) -> None:
        for folder in self.job["folders"]:
            os.makedirs(folder, mode=0o700, exist_ok=True)
        for path in [*self.job["discard"], self.job["socket"], *filter(None, [self.job["door"]])]:
            if os.path.lexists(path):
                os.unlink(path)
        for name, path in self.job["secrets"].items():
            with open(path, encoding="utf-8") as file:
                os.environ[name] = file.read().strip()

    def _listen(self) -> socket.socket:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        temporary = f"{self.job['socket']}.new"
        if os.path.lexists(temporary):
            os.unlink(temporary)
        made.bind(temporary)
        os.chmod(temporary, 0o600)
        made.listen(64)
        os.rename(temporary, self.job["socket"])
        return made

    def _turn(self) -> None:
        waiting = any(program.request and not program.pid for program in self.programs.values())
        for fd, _ in self.poll.poll(DOOR_NAP_MS if waiting else FIND_NAP_MS if self.missing else NAP_MS):
            if fd == self.wake:
                os.read(fd, 4096)
            elif fd == self.listening.fileno():
                self._accept()
            elif fd in self.programs:
                self._hear(self.programs[fd])
            elif fd in self.vital:
                self._lost(self.vital[fd])
        self._reap()
        self._start_waiting()
        if self.missing:
            self._find_vital()
        if not self.template and self.template_at and time.monotonic() - self.template_at > TEMPLATE_AGAIN_S:
            self._start_template()

    def _start_template(self) -> None:
        if self.job["template"]:
            self.template_at = time.monotonic()
            self.template = self._spawn(self.job["template"])

    def _spawn(self, argv: List[str]) -> int:
        return os.posix_spawn(argv[0], argv, os.environ, setsigdef=DEFAULTS)

    def _find_vital(self) -> None:
        """Look for the processes that the node cannot do without, as long as one was not seen yet."""
        for process in processes.all_others():
            if process.name in self.missing and process.pid != self.main:
                try:
                    fd = os.pidfd_open(process.pid)
                except OSError:
                    continue
                self.missing.discard(process.name)
                self.vital[fd] = process.pid
                self.poll.register(fd, select.POLLIN)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            program = self.by_pid.pop(pid, None)
            if program:
                program.answer(f"status {status}")
                self._forget(program)
            elif pid == self.template:
                say(f"the warm template ended ({_how(status)}); another one is started")
                self.template, self.template_at = 0, time.monotonic()
            elif pid == self.main and not self.ending:
                self._leave(f"ray start ended: {_how(status)}", _code(status) or LOST_SOMETHING)

    def _lost(self, pid: int) -> None:
        self._leave(f"the node has lost a process that it cannot do without (pid {pid})", LOST_SOMETHING)

    def _leave(self, why: str, code: int) -> NoReturn:
        """What is left of the node ends with this process."""
        killed = _killed_for_memory()
        if killed:
            say(f"{killed} of its processes were killed because the container's memory was used up")
            code = OUT_OF_MEMORY
        say(why)
        os._exit(code)

    # --- programs -----------------------------------------------------------------------------------------------------

    def _accept(self) -> None:
        connection, _ = self.listening.accept()
        self.programs[connection.fileno()] = Program(connection)
        self.poll.register(connection, select.POLLIN)

    def _hear(self, program: Program) -> None:
        try:
            program.read()
        except (EOFError, OSError, ValueError):
            self._gone(program)
            return
        for number in program.signals():
            if program.pid:
                program.signal(number)
            elif number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                self._gone(program)
                return

    def _start_waiting(self) -> None:
        """A program that is forked from the template waits until that listens."""
        for program in list(self.programs.values()):
            if not program.request or program.pid:
                continue
            forked = program.request["argv"][0] == self.job["launcher"]
            early = self.template and not os.path.exists(self.job["door"])
            if not (forked and early and time.monotonic() - program.since < DOOR_S):
                self.by_pid[program.start()] = program

    def _gone(self, program: Program) -> None:
        """Whoever asked has gone, so the program goes, too."""
        if program.pid in self.by_pid:
            del self.by_pid[program.pid]
            program.signal(signal.SIGKILL)
        self._forget(program)

    def _forget(self, program: Program) -> None:
        fd = program.connection.fileno()
        if self.programs.pop(fd, None):
            self.poll.unregister(fd)
        program.close_files()
        program.connection.close()

    # --- the end ------------------------------------------------------------------------------------------------------

    def _ask_all_to_end(self) -> None:
        """Ask everything but Ray's helpers, and return when it has ended, or after the grace period.

        A fork is asked through its launcher.
        """
        until = time.monotonic() + self.job["grace_s"]
        asked = set()
        while time.monotonic() < until:
            left = [p for p in processes.all_others() if p.pid != self.template and not self._comes_afterwards(p)]
            if not left:
                return
            for process in left:
                if process.pid not in asked and (process.parent != self.template or not self.template):
                    asked.add(process.pid)
                    processes.send(process.pid, signal.SIGTERM)
            self.poll.poll(DOOR_NAP_MS)
            self._collect()

    def _collect(self) -> None:
        """Wait for whoever has ended, and tell those who asked for it."""
        try:
            os.read(self.wake, 4096)
        except BlockingIOError:
            pass
        self._reap()

    def _comes_afterwards(self, process: "processes.Process") -> bool:
        line = processes.command_line(process.pid)
        parts = self.job["afterwards"]
        return any(line.startswith(part[1:]) if part.startswith("^") else part in line for part in parts)


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


def main() -> None:
    if os.getpid() != 1:
        sys.exit("it ends every process that it sees: it must be the first one of a container")
    with open(sys.argv[1], encoding="utf-8") as file:
        job = json.load(file)
    Node(job).run()


if __name__ == "__main__":
    main()
