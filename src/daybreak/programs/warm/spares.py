"""Forks made ahead, with Ray imported: for where somebody waits for the answer of what they have just saved.

The template itself never imports Ray (see modules.py). A spare is forked for one program and one environment, those
of an earlier launcher, imports there what the program would, and waits. The next launcher that asks for the same
program in the same environment gets it instead of a new fork. None is used twice: random numbers are its own.
"""

import contextlib
import importlib
import marshal
import os
import signal
import socket
from typing import Any, Callable, Dict, List, Optional, Tuple

from ..common import collector, framed
from . import connections, modules

# Where this is set in the environment of a program, spares are kept for it.
VARIABLE = b"DAYBREAK_SPARES"
# The class of Serve's controller is unpickled by whoever asks it.
ANY = ("ray", "ray.serve", "ray.serve._private.controller", "ray._private.arrow_serialization")
# What these programs import, whatever they run then. What this Ray does not have is left out.
PROGRAMS = {
    modules.WORKER: (
        *("ray", "ray._private.node", "ray._private.worker", *ANY, "ray.serve._private.replica"),
        "ray._private.authentication.grpc_authentication_server_interceptor",
    ),
    "/programs/deploy/deploy.py": (*ANY, "ray._common.pydantic_compat", "daybreak_programs.deploy.ahead"),
}
# This says something else to every process, and nothing reads it before the program does.
INSTANCE = b"DAYBREAK_INSTANCE"
Key = Tuple[str, bytes]


class Spare:
    """One that waits: the template's end of its socket, the compiled program that it has, and how many modules the
    template had when it was forked."""

    def __init__(self, pid: int, connection: socket.socket, compiled: Any, modules_count: int) -> None:
        self.pid = pid
        self.connection = connection
        self.compiled = compiled
        self.modules_count = modules_count


class Spares:
    """The template's. `compile_program` gives a program's code, `count_modules` how many the template has by now."""

    def __init__(self, compile_program: Callable[[Dict[str, Any]], Any], count_modules: Callable[[], int]) -> None:
        self._compile = compile_program
        self._count_modules = count_modules
        # What was last asked for, by program; the last one last.
        self._asked: Dict[str, Dict[str, Any]] = {}
        self._ready: Dict[Key, Spare] = {}

    def note(self, request: Dict[str, Any]) -> None:
        """Somebody has asked for this: the next one may, too."""
        what = request["program"]["what"]
        if VARIABLE in request["env"] and _imports(request) is not None:
            self._asked.pop(what, None)
            self._asked[what] = {**request, "env": dict(request["env"])}

    def take(self, launcher: connections.Launcher, compiled: Any) -> int:
        """Hand a launcher over to the spare that is there for it; returns that one's pid, 0 where there is none."""
        request = launcher.request
        spare = self._ready.pop(_key(request), None) if request and launcher.door is None else None
        if spare is None:
            return 0
        with contextlib.closing(spare.connection):
            if spare.compiled is not compiled:
                return 0
            try:
                framed.send(spare.connection, marshal.dumps(request), [*launcher.fds, launcher.fd])
            except OSError:  # it has ended
                return 0
        return spare.pid

    @property
    def pids(self) -> List[int]:
        return [spare.pid for spare in self._ready.values()]

    def missing(self) -> Optional[Dict[str, Any]]:
        """What there should be a spare for and is none, the last first. Those that nobody will ask for any more end,
        and so do those that would have to import what the template has imported meanwhile."""
        wanted = {_key(request): request for request in self._asked.values()}
        now = self._count_modules()
        for key, spare in list(self._ready.items()):
            if key not in wanted or spare.modules_count < now:
                self._ready.pop(key).connection.close()
        return next((request for key, request in reversed(wanted.items()) if key not in self._ready), None)

    def make(self, request: Dict[str, Any]) -> Optional[Tuple[socket.socket, Any]]:
        """Fork one; in the fork its end of the socket and its program's code. Raises Refused and OSError."""
        compiled = self._compile(request["program"])
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            return theirs, compiled
        theirs.close()
        self._ready[_key(request)] = Spare(pid, ours, compiled, self._count_modules())
        return None

    def ended(self, pid: int) -> None:
        """One has ended before anybody needed it. Another one is made when spares are asked for again."""
        for key in [key for key, spare in self._ready.items() if spare.pid == pid]:
            self._ready.pop(key).connection.close()


def wait(connection: socket.socket, request: Dict[str, Any]) -> Tuple[Dict[str, Any], List[int]]:
    """In a spare: import what its program will, then wait for a launcher; returns its request and its files. Where the
    template ends this process does."""
    before = set(os.environb)
    with collector.resting():
        for name in _imports(request) or ():
            with contextlib.suppress(Exception):  # the program itself will say it
                importlib.import_module(name)
    made = {name: value for name, value in os.environb.items() if name not in before}
    frame = framed.Request()
    found: Optional[bytes] = None
    try:
        while found is None:
            found = frame.read(connection)
        given: Dict[str, Any] = marshal.loads(found)
        while len(frame.files) < len(given["fds"]) + 2:  # the pipe that holds it back, and the connection
            frame.read(connection)
    except (EOFError, OSError, framed.FilesLost):
        os._exit(0)
    given["env"].update({name: value for name, value in made.items() if name not in given["env"]})
    return given, frame.files


def leave_the_template(connection: socket.socket) -> None:
    """In a spare, first of all: nothing of the template's stays open, and it ends as any process does."""
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        if fd > 2 and fd != connection.fileno():
            with contextlib.suppress(OSError):  # the listing's own
                os.close(fd)


def _imports(request: Dict[str, Any]) -> Optional[Tuple[str, ...]]:
    what = request["program"]["what"]
    return next((names for program, names in PROGRAMS.items() if what.endswith(program)), None)


def _key(request: Dict[str, Any]) -> Key:
    """What must be the same: the program, and all that an import may read."""
    program, env = request["program"], request["env"]
    same = sorted((name, value) for name, value in env.items() if name != INSTANCE)
    return program["what"], marshal.dumps([program["kind"], program["flags"], request["cwd"], request["real"], same])
