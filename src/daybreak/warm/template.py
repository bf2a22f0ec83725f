"""The warm template: a process with its imports done that forks itself on request.

`python template.py SETTINGS.json` runs in Ray's interpreter, with one thread, until it is told to end. It serves a
Unix socket in its folder: launchers ask for forks (see launcher.py for the words), the keeper for orders. Settings:
`folder`, `real` (the interpreter), `modules` (to import besides Ray's own needs), `learned` (a file with more of them),
`vendored` (folders that Ray puts in front of sys.path), `hold_s` (seconds for which what can wait does, from the start
on), `instance`.

A launcher whose fork runs is watched: when the launcher ends first, its fork is killed. When the template is killed its
forks live on, their launchers watch them, and the next template kills what has lost its launcher.
"""

import errno
import functools
import gc
import itertools
import json
import marshal
import os
import select
import signal
import socket
import struct
import sys
import time
import traceback
import warnings
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence, Tuple

if TYPE_CHECKING:
    from daybreak.warm import (
        child,
        codes,
        doors,
        held,
        importer,
        memory,
        modules,
        randomness,
        registry,
        shelf,
        shortcut,
        threadpools,
        title,
        trim,
        variables,
    )
    from daybreak.warm.launcher import PROTOCOL, surroundings
else:  # run as a file: its folder is where modules are looked for
    import child
    import codes
    import doors
    import held
    import importer
    import memory
    import modules
    import randomness
    import registry
    import shelf
    import shortcut
    import threadpools
    import title
    import trim
    import variables
    from launcher import PROTOCOL, surroundings

BACKLOG = 512
# A launcher that has not finished its request by then is cut off.
REQUEST_S = 10.0
NAP_MS = 250
FDS_AT_ONCE = 253
MSG_CLOEXEC = 0x40000000  # Linux; the socket module has no name for it


def say(text: str) -> None:
    """One line into the template's log."""
    print(time.strftime("%Y-%m-%d %H:%M:%S"), text, flush=True)


class Refused(Exception):
    """The real interpreter must do it."""


class Launcher:
    """One connection: a request coming in, then a running fork."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.since = time.monotonic()
        self.data = b""
        self.fds: List[int] = []
        self.request: Optional[Dict[str, Any]] = None
        self.offered = False
        self.door: Optional[socket.socket] = None
        self.pid = 0

    def follow(self, number: int) -> None:
        """Stop it, or continue it, as its fork was. Both signals come from here: the kernel keeps their order."""
        peer = self.connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        try:
            os.kill(struct.unpack("3i", peer)[0], number)
        except ProcessLookupError:
            pass  # its end is what comes next

    def read(self) -> bool:
        """Take what has come; True when the request is complete. Raises EOFError at the end of the stream."""
        parts, ancillary, flags, _ = self.connection.recvmsg(65536, socket.CMSG_SPACE(FDS_AT_ONCE * 4), MSG_CLOEXEC)
        for level, kind, packed in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                count = len(packed) // 4
                self.fds += struct.unpack(f"{count}i", packed[: count * 4])
        if not parts:
            raise EOFError
        if flags & socket.MSG_CTRUNC:
            raise Refused("its open files did not arrive")
        self.data += parts
        if len(self.data) < 4:
            return False
        size = int.from_bytes(self.data[:4], "little")
        if len(self.data) - 4 < size:
            return False
        self.request = marshal.loads(self.data[4 : 4 + size])
        self.data = b""
        return True

    def answer(self, message: bytes, text: Optional[str] = None) -> None:
        """Tell the launcher; one that has gone is found by its closed connection."""
        if text is not None:
            message += len(text.encode()).to_bytes(4, "little") + text.encode()
        try:
            self.connection.sendall(message)
        except OSError:
            pass

    def close_files(self) -> None:
        for fd in self.fds:
            os.close(fd)
        self.fds = []
        if self.door is not None:
            self.door.close()
            self.door = None


class Template:
    """The loop: accept, read, fork, reap."""

    def __init__(self, settings: Dict[str, Any]) -> None:
        self.folder: str = settings["folder"]
        self.settings = settings
        self.pid = os.getpid()
        self.title_area = title.area()
        self.variables = variables.Variables()
        given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        own = {os.path.abspath(entry) for entry in given if entry}
        # Without what this process was given itself, which stands in front.
        self.site_path = list(itertools.dropwhile(own.__contains__, sys.path[1:]))
        self.ray = codes.package(self.site_path)
        self.launchers: Dict[int, Launcher] = {}
        self.by_pid: Dict[int, Launcher] = {}
        self.orphans: Dict[int, int] = {}  # pidfd of a launcher -> pid of the fork that an earlier template made
        self.held = held.Held()
        self.held.hold(settings.get("hold_s", 0.0))
        self.waiting: List[Launcher] = []
        self.doors: Dict[int, Launcher] = {}  # the door's file -> who stands behind it
        self.imports: List[Launcher] = []
        self.programs: Dict[str, Tuple[Tuple[int, ...], Any]] = {}
        self.codes = codes.Codes()
        # Names only the template counts references of: a fork that went through sys.modules would copy its pages.
        self.loaded = frozenset(sys.modules)
        self.warm = False
        self.stage = "submitted"
        self.ending = False
        self.forks = 0
        users = [entry for entry in own if not codes.package([entry])]  # not where Ray itself is found
        self.threads = threadpools.Pools()
        self.seeds = randomness.Seeds()
        self.shelf = shelf.Shelf(never=OWN_MODULES)
        self.shelf.when_imported("numpy", self.seeds.renew_numpys)
        self.shelf.when_imported("torch", functools.partial(randomness.fresh_torch, self.shelf.modules))
        self.shelf.when_imported("numexpr", functools.partial(threadpools.fresh_numexpr, self.shelf.modules))
        self.shelf.stand_first()
        self.memory = memory.Memory()
        self.tidy = True
        self.records = registry.Registry(self.folder)
        self.poll = select.poll()
        known = importer.Memory(f"{os.path.dirname(settings['learned'])}/tried.json", importer.stamp(settings))
        self.importer = importer.Importer(
            say, known, users, self.shelf.modules, self.threads.check, self.turn, self.poll
        )
        self.listening = self._listen()
        self.child_ended, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _noted)
        signal.signal(signal.SIGTERM, self._end)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self.poll.register(self.listening, select.POLLIN)
        self.poll.register(self.child_ended, select.POLLIN)

    def _listen(self) -> socket.socket:
        """Bind under a temporary name and move it into place: a launcher never finds half a socket."""
        path = f"{self.folder}/template.socket"
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        temporary = f"{path}.{self.pid}"
        made.bind(temporary)
        os.chmod(temporary, 0o600)
        made.listen(BACKLOG)
        os.rename(temporary, path)
        return made

    def _end(self, *_: Any) -> None:
        self.ending = True

    # --- the loop -----------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Import, then serve until told to end. Forks may be asked for from the first moment on."""
        self._tell_state()
        self._adopt()
        self._warm_up()
        while not self.ending:
            if not self.turn(NAP_MS) and not self.tidy:
                memory.unmap_files()
                self.tidy = True
            self._import_what_was_ordered()
        os.unlink(f"{self.folder}/template.socket")

    def _warm_up(self) -> None:
        """First what is named, or known to do no harm. What has been learned and must be tried keeps nobody waiting."""
        began = time.monotonic()
        self.load(modules.BASE, trusted=True)
        with modules.search(self.settings["vendored"]):
            self.load(modules.VENDORED, trusted=True)
        learned = [*modules.TRIED, *modules.read_learned(self.settings["learned"])]
        self.load(self.importer.proven(learned))
        with modules.search([os.getcwd()]):
            self.load(self.settings["modules"], asked_for=True)
        read = self.codes.read(self.ray) if self.ray else 0
        self._settle()
        self.warm = True
        self._serve_waiting()
        self.load(learned)
        say(f"warm after {time.monotonic() - began:.2f} s: {len(self.loaded)} modules, {read} files of Ray read")
        self.stage = "running"
        self._tell_state()

    def load(self, names: Sequence[str], asked_for: bool = False, trusted: bool = False) -> None:
        """Import more modules; with one that makes this template unsafe it begins anew without it."""
        self.shelf.open()
        with self.threads.held_back(), self.variables.watched(), self.seeds.watched():
            try:
                self.importer.load(names, asked_for, trusted)
            except importer.Unsafe as unsafe:
                self._begin_anew(*unsafe.args)
        self._shelve()
        if len(self.loaded) != len(sys.modules) + len(self.shelf.modules) or not self.warm:
            self._settle()

    def _shelve(self) -> None:
        """What has effects when it is imported has them in each fork that imports it."""
        self.threads.find()
        self.seeds.find()
        for owner, pools in self.threads.take():
            # Others may need the same library, and would have loaded it themselves.
            for unit in ("", "numpy", self.shelf.unit(owner)):
                self.shelf.when_imported(unit, functools.partial(threadpools.set_numbers, pools))
        self.shelf.put()

    def _settle(self) -> None:
        """What is here from now on is shared by all forks: the collector would touch, and so copy, every page."""
        self.loaded = frozenset((*sys.modules, *self.shelf.modules))
        gc.collect()
        self.memory.fill_gaps()
        gc.freeze()
        self.tidy = False

    def _begin_anew(self, name: str, why: str) -> None:
        say(f"{name} is left out from now on: {why}")
        self.importer.refuse(name, why)
        if self.by_pid:
            os._exit(1)  # its forks live on, watched by their launchers; the keeper starts another template
        os.execve(sys.executable, [sys.executable, *sys.argv], self.variables.given)

    def turn(self, timeout_ms: int) -> bool:
        """Handle whatever has happened; False when that was nothing."""
        try:
            happened = self.poll.poll(timeout_ms)
        except InterruptedError:
            return True
        for fd, _ in happened:
            if fd == self.listening.fileno():
                self._accept()
            elif fd == self.child_ended:
                os.read(fd, 4096)
            elif fd in self.orphans:
                self._orphaned(fd)
            elif fd in self.doors:
                self._visited(fd)
            elif fd in self.launchers:
                self._hear(self.launchers[fd])
        self._reap()
        self._release()
        self._cut_off_slow()
        return bool(happened)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except BlockingIOError:
                return
            except OSError as error:
                say(f"cannot accept: {error}")
                return
            connection.setblocking(True)
            fd = connection.fileno()
            self.launchers[fd] = Launcher(connection)
            self.poll.register(fd, select.POLLIN)

    def _hear(self, launcher: Launcher) -> None:
        if launcher.request is not None:
            self._hear_again(launcher)
            return
        try:
            complete = launcher.read()
        except (EOFError, OSError):
            self._gone(launcher)
            return
        except Refused as why:
            self._refuse(launcher, str(why))
            return
        except (ValueError, TypeError) as error:
            self._refuse(launcher, f"unreadable request: {error}")
            return
        if complete:
            self._asked(launcher)

    def _hear_again(self, launcher: Launcher) -> None:
        """`G`: the launcher still wants its fork. Anything else is its end."""
        try:
            word = launcher.connection.recv(1)
        except OSError:
            word = b""
        if word == b"G" and launcher.offered and not launcher.pid:
            self._fork(launcher)
        else:
            self._gone(launcher)

    def _offer(self, launcher: Launcher) -> None:
        launcher.offered = True
        launcher.answer(b"A")

    def _asked(self, launcher: Launcher) -> None:
        request = launcher.request
        assert request is not None
        if "order" in request:
            self._order(launcher, request)
            return
        try:
            shortcut.apply(request, self.settings["real"])
            self._check(request)
        except Refused as why:
            self._refuse(launcher, str(why))
            return
        launcher.door = doors.open_for(request)
        if launcher.door is not None:
            launcher.answer(b"W")
            self.doors[launcher.door.fileno()] = launcher
            self.poll.register(launcher.door, select.POLLIN)
        elif self.held.holds(request["program"]):
            launcher.answer(b"H")
            self.held.add(launcher)
        elif self.held.is_first(request["program"]):
            self._offer(launcher)
        else:
            self._offer_when_warm(launcher)

    def _visited(self, fd: int) -> None:
        """Somebody is at the door: it is the fork's from now on."""
        self.poll.unregister(fd)
        self._offer_when_warm(self.doors.pop(fd))

    def _offer_when_warm(self, launcher: Launcher) -> None:
        if self.warm:
            self._offer(launcher)
        else:
            self.waiting.append(launcher)

    def _check(self, request: Dict[str, Any]) -> None:
        if request["protocol"] != PROTOCOL:
            raise Refused("its launcher speaks another version")
        env = self._check_variables(request)
        for entry in env.get("PYTHONPATH", "").split(os.pathsep):
            for name in ("sitecustomize", "usercustomize"):
                if entry and (os.path.exists(f"{entry}/{name}.py") or os.path.isdir(f"{entry}/{name}")):
                    raise Refused(f"PYTHONPATH holds {name}")
        if request["nice"] < os.getpriority(os.PRIO_PROCESS, 0):
            raise Refused("it has a higher priority")

    def _check_variables(self, request: Dict[str, Any]) -> Dict[str, str]:
        """The environment that is asked for, where a fork can have it. As more is imported less can be had."""
        env = {os.fsdecode(k): os.fsdecode(v) for k, v in request["env"].items()}
        different = self.variables.differing(env)
        if different:
            raise Refused(f"its environment differs in {', '.join(different)}")
        return env

    def _serve_waiting(self) -> None:
        waiting, self.waiting = self.waiting, []
        for launcher in waiting:
            if launcher.connection.fileno() in self.launchers:
                self._offer(launcher)

    def _release(self) -> None:
        for launcher in self.held.release():
            if launcher.connection.fileno() in self.launchers:
                self._offer_when_warm(launcher)

    # --- forks --------------------------------------------------------------------------------------------------------

    def _fork(self, launcher: Launcher) -> None:
        request = launcher.request
        assert request is not None
        try:
            self._check_variables(request)  # once more: it may have waited for imports
            code = self._code(request["program"])  # compiled here, every later fork has it
        except Refused as why:
            self._refuse(launcher, str(why))
            return
        except Exception as error:
            self._refuse(launcher, f"it does not compile without a word: {type(error).__name__}")
            return
        sys.stdout.flush()
        sys.stderr.flush()
        try:
            pid = os.fork()
        except OSError as error:
            self._refuse(launcher, f"cannot fork: {os.strerror(error.errno or errno.EAGAIN)}")
            return
        if pid == 0:
            self._become(launcher, code)
        self.forks += 1
        launcher.pid = pid
        launcher.close_files()
        self.by_pid[pid] = launcher
        self.records.add(pid, request["pid"], request["env"])

    def _become(self, launcher: Launcher, compiled: Any) -> None:
        """In the fork. Never returns, whatever happens."""
        code = 1
        try:
            request = launcher.request
            assert request is not None
            signal.set_wakeup_fd(-1)
            for watching in (self.variables, self.threads, self.seeds):
                watching.leave()
            if launcher.door is not None:
                doors.hand_over(launcher.door, request, launcher.fds)
            request["env"].update(self.variables.made(request["env"]))
            child.take_over(request, surroundings(), launcher.fds, launcher.connection.detach())
            program = request["program"]
            if "door" in request:
                doors.take(request["door"])
            child.fresh_randomness()
            self.seeds.renew()
            child.fresh_beginnings()
            child.take_executable(request)
            child.take_path(self.site_path, program)
            sys.meta_path.insert(0, self.codes)
            trim.prepare(program)
            title.show(sys.orig_argv, self.title_area)
            if program["what"].endswith(modules.WORKER):
                modules.watch(f"{self.folder}/seen")
            if not self.shelf.complete:
                self._shelve()
            self.shelf.arm()
            for name in OWN_MODULES:
                sys.modules.pop(name, None)
            code = child.run_program(program, compiled, self.loaded)
            child.leave(code, self.pid, f"{self.folder}/exit-{os.getpid()}")
        except BaseException:
            try:
                traceback.print_exc()
            finally:
                os._exit(code or 1)

    def _code(self, program: Dict[str, Any]) -> Any:
        """The compiled program, kept while its file stays as it is; None for a module.

        A warning is raised: it is the user's to see, at every start. What Ray's own programs are warned of is not.
        """
        if program["kind"] == "module":
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore" if self.ray and program["what"].startswith(self.ray + os.sep) else "error")
            if program["kind"] == "command":
                return compile(program["what"], "<string>", "exec", dont_inherit=True)
            path = program["what"]
            found = os.stat(path)
            stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
            kept = self.programs.get(path)
            if kept is None or kept[0] != stamp:
                with open(path, "rb") as file:
                    kept = (stamp, compile(file.read(), path, "exec", dont_inherit=True))
                self.programs[path] = kept
            return kept[1]

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
            except ChildProcessError:
                return
            if pid == 0:
                return
            launcher = self.by_pid.get(pid)
            if os.WIFSTOPPED(status) or os.WIFCONTINUED(status):
                if launcher:
                    launcher.follow(signal.SIGSTOP if os.WIFSTOPPED(status) else signal.SIGCONT)
                continue
            self.records.remove(pid)
            self.records.ended(pid, status)
            if launcher is not None:
                del self.by_pid[pid]
                launcher.answer(b"%d\n" % status)
                self._forget(launcher)

    def _gone(self, launcher: Launcher) -> None:
        """The launcher has ended, or given up."""
        if launcher.pid in self.by_pid:
            del self.by_pid[launcher.pid]
            os.kill(launcher.pid, signal.SIGKILL)  # not yet reaped: the pid is still its own
        self._forget(launcher)

    def _forget(self, launcher: Launcher) -> None:
        fd = launcher.connection.fileno()
        if self.launchers.pop(fd, None) is not None:
            self.poll.unregister(fd)
        if launcher.door is not None and self.doors.pop(launcher.door.fileno(), None) is not None:
            self.poll.unregister(launcher.door)
        launcher.close_files()
        launcher.connection.close()

    def _refuse(self, launcher: Launcher, why: str) -> None:
        launcher.answer(b"R", text=why)
        self._forget(launcher)

    def _cut_off_slow(self) -> None:
        now = time.monotonic()
        for launcher in list(self.launchers.values()):
            if launcher.request is None and now - launcher.since > REQUEST_S:
                self._forget(launcher)

    def _adopt(self) -> None:
        """Forks that an earlier template left: killed when their launcher has ended, or ends."""
        for pid, launcher_fd in self.records.left_behind():
            self.orphans[launcher_fd] = pid
            self.poll.register(launcher_fd, select.POLLIN)

    def _orphaned(self, launcher_fd: int) -> None:
        pid = self.orphans.pop(launcher_fd)
        self.poll.unregister(launcher_fd)
        os.close(launcher_fd)
        self.records.kill(pid)

    # --- orders -------------------------------------------------------------------------------------------------------

    def _order(self, launcher: Launcher, request: Dict[str, Any]) -> None:
        """What the keeper asks for; every order is answered with the state."""
        try:
            if request["order"] == "hold":
                self.held.hold(request["seconds"])
            elif request["order"] == "release":
                self.held.end(request.get("but_last", False))
                self._release()
            elif request["order"] == "import":
                self.imports.append(launcher)
                return
            self._obeyed(launcher)
        except Exception as error:
            self._failed(launcher, error)

    def _import_what_was_ordered(self) -> None:
        """Outside of `turn`, since imports take turns of their own: an outer one would go on with what they have
        handled already, and wait for it."""
        while self.imports:
            launcher = self.imports.pop(0)
            assert launcher.request is not None
            try:
                self.load(launcher.request["modules"])
                self._tell_state()
                self._obeyed(launcher)
            except Exception as error:
                self._failed(launcher, error)

    def _obeyed(self, launcher: Launcher) -> None:
        launcher.answer(b"J", text=json.dumps({**self._state(), "loaded": [*sys.modules, *self.shelf.modules]}))
        self._forget(launcher)

    def _failed(self, launcher: Launcher, error: Exception) -> None:
        say("".join(traceback.format_exception(type(error), error, error.__traceback__)))
        self._refuse(launcher, f"{type(error).__name__}: {error}")

    def _state(self) -> Dict[str, Any]:
        return {
            "pid": self.pid,
            "warm": self.warm,
            "modules": len(sys.modules) + len(self.shelf.modules),
            "threads": modules.threads(),
            "forks": self.forks,
            "running": len(self.by_pid),
            "held": self.held.count,
            "doors": len(self.doors),
            "failed": self.importer.failed,
            "stage": self.stage,
            "reason": "",
            "error": [],
            "instance": self.settings["instance"],
            "environment": self.settings.get("environment", ""),
            "variables": self.variables.marks(),
            "prefixes": self.variables.prefixes(),
        }

    def _tell_state(self) -> None:
        """The file that the keeper's check looks for."""
        temporary = f"{self.folder}/state.json.{self.pid}"
        with open(temporary, "w", encoding="utf-8") as file:
            json.dump(self._state(), file)
        os.rename(temporary, f"{self.folder}/state.json")


OWN_MODULES = (
    *("child", "codes", "doors", "effects", "held", "importer", "launcher", "memory", "modules", "proving"),
    *("randomness", "registry", "shelf", "shortcut", "template", "threadpools", "title", "trim", "variables"),
)


def _noted(*_: Any) -> None:
    """A Python handler, so that the wake-up descriptor is written; the loop reaps."""


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        settings = json.load(file)
    child.remember_encodings()
    template = Template(settings)
    template.run()


if __name__ == "__main__":
    main()
