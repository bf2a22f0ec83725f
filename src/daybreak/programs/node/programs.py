"""The programs that somebody asks a node's first program for, at its socket: started, signalled, told of their end."""

import os
import select
import signal
import socket
import time
from typing import Dict, Optional

from ..common.framed import FilesLost
from .program_request import Program

# A program is started cold where there is no template by then.
DOOR_S = 10.0


class Programs:
    """Those that there are, by the file of their connection."""

    def __init__(self, poll: "select.poll") -> None:
        self._poll = poll
        self._listening: Optional[socket.socket] = None
        self._programs: Dict[int, Program] = {}
        self._by_pid: Dict[int, Program] = {}

    def listen(self, path: str) -> None:
        """Take requests from now on. The socket is moved into place: nobody finds half of one."""
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        temporary = f"{path}.new"
        if os.path.lexists(temporary):
            os.unlink(temporary)
        made.bind(temporary)
        os.chmod(temporary, 0o600)
        made.listen(64)
        os.rename(temporary, path)
        self._listening = made
        self._poll.register(made, select.POLLIN)

    @property
    def wait(self) -> bool:
        """Is there a program that could not be started yet?"""
        return any(program.request and not program.pid for program in self._programs.values())

    def happened(self, fd: int) -> None:
        """Something has come at this file; others than those of requests are left alone."""
        if self._listening and fd == self._listening.fileno():
            connection, _ = self._listening.accept()
            self._programs[connection.fileno()] = Program(connection)
            self._poll.register(connection, select.POLLIN)
        elif fd in self._programs:
            self._hear(self._programs[fd])

    def start(self, launcher: str, early: bool) -> None:
        """Start what was asked for; what is forked waits while it is `early`: the template does not listen yet."""
        for program in list(self._programs.values()):
            if not program.request or program.pid:
                continue
            forked = program.request["argv"][0] == launcher
            if not (forked and early and time.monotonic() - program.since < DOOR_S):
                self._by_pid[program.start()] = program

    def ended(self, pid: int, status: int) -> bool:
        """Tell who asked for it; False where nobody did."""
        program = self._by_pid.pop(pid, None)
        if program:
            program.answer(f"status {status}")
            self._forget(program)
        return program is not None

    def _hear(self, program: Program) -> None:
        try:
            program.read()
        except (EOFError, OSError, ValueError, FilesLost):
            self._gone(program)
            return
        for number in program.signals():
            if program.pid:
                program.signal(number)
            elif number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                self._gone(program)
                return

    def _gone(self, program: Program) -> None:
        """Whoever asked has gone, so the program goes, too."""
        if program.pid in self._by_pid:
            del self._by_pid[program.pid]
            program.signal(signal.SIGKILL)
        self._forget(program)

    def _forget(self, program: Program) -> None:
        fd = program.connection.fileno()
        if self._programs.pop(fd, None):
            self._poll.unregister(fd)
        program.frame.close_files()
        program.connection.close()
