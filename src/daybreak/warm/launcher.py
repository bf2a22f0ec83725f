"""What Ray believes is its Python: asks the template for a forked process and stands in for it.

It starts in ten milliseconds because it imports nothing but built-in modules. It hands its arguments, environment,
folder, limits and every open file to the template; from then on it forwards signals to the fork and ends as the fork
ends. Where the template cannot do it (not there, refusing, too slow, flags that a fork cannot have), the real
interpreter takes this process over: slower, never broken.

Both sides run the same interpreter, so requests are marshalled. A frame is its length (4 bytes) and the bytes; the
files travel with its first bytes. The template answers with single bytes: `H` (held back until more important
processes have started), `W` (held back until somebody connects to where the program listens), `A` (it would fork now,
and does on a `G`: a launcher that has given up meanwhile never gets one, so nothing runs twice), `P` and the fork's
pid (4 bytes, from the fork itself), `R` and a reason (refused); at the fork's end one line with its wait status. A
launcher whose fork is stopped or continued is so, too, by a signal from the template.

Some thirty launchers stand in for as long as a cluster runs. Where the system has a small shell (dash), the same
process becomes one that does it (`stand`, see services/warm.py): a tenth of a megabyte instead of four and a half.
"""

import _signal  # type: ignore[import-not-found]
import _socket
import marshal
import posix
import sys
from typing import Any, Dict, List, NoReturn, Optional

PROTOCOL = 4
# How long the template may take to answer, and how long once it has said that the process is held back.
ANSWER_S = 20.0
HELD_S = 60.0
FDS_PER_MESSAGE = 250
FIRST_PRIVATE_FD = 3
# A shell names files by one digit: the connection, and the pipe that holds the fork back.
SHELL_FDS = (3, 4)
# Modules that start other interpreters, or watch this one from the inside: they get the real thing.
REAL_MODULES = frozenset(
    """
bdb cProfile coverage debugpy ensurepip idlelib memray pdb pip profile pyinstrument scalene site test timeit trace
uv venv virtualenv viztracer
""".split()  # noqa: SIM905
)
# Imports nothing and waits: a fork, with its copies of pages, would take more memory than an interpreter of its own.
REAL_COMMAND = "from multiprocessing.resource_tracker import main"
NOT_FORWARDED = frozenset((_signal.SIGKILL, _signal.SIGSTOP, _signal.SIGCHLD))
# Lines of /proc/self/status, and entries of /proc/self/ns.
PRIVILEGES = frozenset("Uid Gid Groups CapInh CapPrm CapEff CapBnd CapAmb NoNewPrivs Seccomp".split())  # noqa: SIM905
NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")
# CPython itself ignores these two in every process.
IGNORED_BY_PYTHON = frozenset((_signal.SIGPIPE, _signal.SIGXFSZ))


class Fallback(Exception):
    """The real interpreter must do it; the message says why."""


def parse(arguments: List[str]) -> Optional[Dict[str, Any]]:
    """What python would run with these arguments; None where only the real interpreter can.

    A dict of `kind` (script, command, module), `what`, `argv`, `flags` and `unbuffered`. Of flags, those are possible
    that say what the environment says, too: multiprocessing hands them on.
    """
    possible = ["-u", "-B"] if posix.environ.get(b"PYTHONDONTWRITEBYTECODE") else ["-u"]
    flags = []
    rest = list(arguments)
    while rest and rest[0] in possible:
        flags.append(rest.pop(0))
    unbuffered = "-u" in flags
    if not rest:
        return None
    first = rest.pop(0)
    if first == "-c" and rest and _is_text(rest[0]) and not rest[0].startswith(REAL_COMMAND):
        return {"kind": "command", "what": rest[0], "argv": ["-c", *rest[1:]], "flags": flags, "unbuffered": unbuffered}
    if first == "-m" and rest and rest[0].split(".")[0] not in REAL_MODULES:
        return {"kind": "module", "what": rest[0], "argv": ["-m", *rest[1:]], "flags": flags, "unbuffered": unbuffered}
    if first.startswith("-"):
        return None
    try:
        regular = posix.stat(first).st_mode & 0o170000 == 0o100000
        # The program's __file__ is what CPython makes of the name: the folder in front, but nothing resolved.
        path = first if first.startswith("/") else posix.getcwd() + "/" + first
    except (OSError, ValueError):
        return None
    # A zip file or a folder with a __main__ is the real interpreter's business.
    if not regular or not first.endswith(".py"):
        return None
    return {"kind": "script", "what": path, "argv": [first, *rest], "flags": flags, "unbuffered": unbuffered}


def _is_text(command: str) -> bool:
    try:
        command.encode()
    except UnicodeEncodeError:
        return False
    return True


def open_files(except_for: int) -> List[int]:
    """Every file descriptor that this process was given."""
    # The listing itself has one open: it is closed again when the names are here.
    return sorted(fd for fd in map(int, posix.listdir("/proc/self/fd")) if fd != except_for and _is_open(fd))


def _is_open(fd: int) -> bool:
    try:
        posix.fstat(fd)
    except OSError:
        return False
    return True


def describe(program: Dict[str, Any], real: str, script: str) -> Dict[str, Any]:
    """Everything about this process that the fork must take over, as marshal can write it."""
    ignored = [n for n in range(1, _signal.NSIG) if n not in IGNORED_BY_PYTHON and _is_ignored(n)]
    umask = posix.umask(0o077)
    posix.umask(umask)
    pid = posix.getpid()
    return {
        "protocol": PROTOCOL,
        "program": program,
        "executable": script,
        "real": real,
        "env": dict(posix.environ),
        "cwd": posix.getcwdb(),
        "umask": umask,
        "pid": pid,
        "leads_session": posix.getsid(0) == pid,
        "nice": posix.getpriority(posix.PRIO_PROCESS, 0),
        "affinity": sorted(posix.sched_getaffinity(0)),
        "blocked": [int(n) for n in _signal.pthread_sigmask(_signal.SIG_BLOCK, ())],
        "ignored": ignored,
        "limits": _limits(),
        "oom_score_adj": _read("/proc/self/oom_score_adj"),
        "surroundings": surroundings(),
    }


def surroundings() -> Dict[str, Any]:
    """What cannot be handed over: where it is not the same for the template, the fork cannot stand for this process."""
    found: Dict[str, Any] = {
        "encoding": sys.getfilesystemencoding(),
        "scheduling": posix.sched_getscheduler(0),
        "cgroup": _read("/proc/self/cgroup"),
        "root folder": posix.readlink("/proc/self/root"),
    }
    for line in _read("/proc/self/status").decode("utf-8", "replace").split("\n"):
        name, _, value = line.partition(":")
        if name in PRIVILEGES:
            found[name] = value
    for name in NAMESPACES:
        try:
            found[name + " namespace"] = posix.readlink("/proc/self/ns/" + name)
        except OSError:
            pass
    return found


def _is_ignored(number: int) -> bool:
    try:
        return bool(_signal.getsignal(number) == _signal.SIG_IGN)
    except ValueError:
        return False


def _limits() -> bytes:
    """As the kernel shows them: reading a file is quicker here than loading the module that asks for each."""
    return _read("/proc/self/limits")


def _read(path: str) -> bytes:
    try:
        fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return posix.read(fd, 65536)
    finally:
        posix.close(fd)


def send(connection: Any, message: Dict[str, Any], fds: List[int]) -> None:
    """One frame; the files go with its first bytes."""
    data = marshal.dumps(message)
    frame = len(data).to_bytes(4, "little") + data
    sent = 0
    for start in range(0, len(fds), FDS_PER_MESSAGE):
        packed = b"".join(fd.to_bytes(4, sys.byteorder) for fd in fds[start : start + FDS_PER_MESSAGE])
        # One byte carries each group of files; the receiver takes the bytes as they come.
        sent += connection.sendmsg([frame[sent : sent + 1]], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, packed)])
    connection.sendall(frame[sent:])


def receive(connection: Any, size: int) -> bytes:
    """Exactly that many bytes; raises Fallback at the end of the stream."""
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise Fallback("the template went away")
        data += part
    return data


def ask(connection: Any, request: Dict[str, Any]) -> int:
    """Have a fork made; returns its pid. Raises Fallback where none was made."""
    connection.settimeout(ANSWER_S)
    try:
        send(connection, request, [*request["fds"], request["begin"]])
        while True:
            answer = receive(connection, 1)
            if answer == b"P":
                return int.from_bytes(receive(connection, 4), "little")
            if answer == b"R":
                size = int.from_bytes(receive(connection, 4), "little")
                raise Fallback(receive(connection, size).decode())
            if answer == b"A":
                connection.settimeout(ANSWER_S)
                connection.sendall(b"G")
            elif answer == b"H":
                connection.settimeout(HELD_S)
            elif answer == b"W":
                connection.settimeout(None)
            else:
                raise Fallback("the fork ended before it began")
    except TimeoutError:
        raise Fallback("the template does not answer") from None
    except OSError as error:
        raise Fallback("the template cannot be asked: " + str(error)) from None


class Standing:
    """Standing in for the fork: signals forwarded, its end awaited and repeated."""

    def __init__(self, connection: Any, pid: int, ready: int = -1) -> None:
        self._connection = connection
        self.pid = pid
        self.ready = ready
        try:
            self._pidfd = posix.pidfd_open(pid, 0)
        except OSError:
            self._pidfd = -1  # it has ended already: its status is on the way

    def forward_signals(self) -> None:
        """From now on what is sent to this process is sent to the fork; nothing is held back here."""
        for number in _signal.valid_signals():
            if number in NOT_FORWARDED:
                continue
            try:
                _signal.signal(number, self._forward)
            except (OSError, ValueError):
                continue
        _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
        posix.close(self.ready)

    def _forward(self, number: int, _frame: Any) -> None:
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
                line += receive(self._connection, 1)
        except (Fallback, OSError):
            return self.wait_alone()
        return int(line)

    def wait_alone(self) -> int:
        """Its wait status where there is no template to tell it: from a file that the fork leaves."""
        import select

        if self._pidfd >= 0:
            poll = select.poll()
            poll.register(self._pidfd, select.POLLIN)
            poll.poll()
        left = _read(exit_file(self.pid))
        if left:
            try:
                posix.unlink(exit_file(self.pid))
            except OSError:
                pass
        return int(left or b"1") << 8


def exit_file(pid: int) -> str:
    """Where a fork whose template has died leaves its exit code."""
    return f"{FOLDER}/exit-{pid}"


def end_like(status: int) -> NoReturn:
    """End as the fork did."""
    number = status & 0x7F
    if not number:
        posix._exit(status >> 8)
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))  # one core is enough
    if number not in (_signal.SIGKILL, _signal.SIGSTOP):
        _signal.signal(number, _signal.SIG_DFL)
    posix.kill(posix.getpid(), number)
    posix._exit(128 + number)


def note(reason: str, arguments: List[str]) -> None:
    """One line for the timeline: when, why, what."""
    import time

    words = [" ".join(text.split()) for text in (reason, " ".join(arguments)[:300])]
    line = "\t".join([f"{time.time():.3f}", *words]) + "\n"
    try:
        fd = posix.open(FOLDER + "/fallbacks", posix.O_WRONLY | posix.O_APPEND | posix.O_CREAT | posix.O_CLOEXEC, 0o600)
        posix.write(fd, line.encode("utf-8", "replace"))
        posix.close(fd)
    except OSError:
        pass


def become_shell(shell: str, stand: str, connection: Any, standing: Standing, arguments: List[str]) -> None:
    """Go on as a small shell with the script `stand`; the connection is its file 3, the pipe that it closes when it is
    ready its file 4. Returns where there is no such shell."""
    if not posix.access(shell, posix.X_OK):
        return
    for number in _signal.valid_signals():
        if number not in NOT_FORWARDED:
            try:
                _signal.signal(number, _signal.SIG_DFL)  # a shell cannot trap what it finds ignored
            except (OSError, ValueError):
                continue
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
    connection.setblocking(True)
    # Both away from where they may stand in each other's way.
    theirs = [_above(connection.fileno()), _above(standing.ready)]
    for number, fd in zip(SHELL_FDS, theirs):
        posix.dup2(fd, number)
    posix.execve(shell, [shell, stand, str(standing.pid), *arguments], posix.environ)


def _above(fd: int) -> int:
    """A copy of the file above those that the shell gets; it ends with this program."""
    import fcntl

    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, SHELL_FDS[-1] + 1)


def alone(pid: int, folder: str) -> NoReturn:
    """For a shell that stands in, when the template has gone: end when the fork has ended, with its exit code."""
    global FOLDER
    FOLDER = folder
    end_like(Standing(None, pid).wait_alone())


def main(real: str, script: str, folder: str, shell: str = "", stand: str = "") -> NoReturn:
    """Run what the arguments say; `real` is the interpreter, `script` this launcher's path, `folder` its state.

    `shell` is a small one, where there is one, and `stand` the script for it.
    """
    global FOLDER
    FOLDER = folder
    arguments = sys.argv[1:]
    if not _is_ignored(_signal.SIGINT):
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)  # not a traceback of this file
    program = parse(arguments)
    if program is None:
        become_real(real, arguments)
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
    try:
        standing = _start(connection, program, real, script)
    except Fallback as why:
        note(str(why), arguments)
        connection.close()
        become_real(real, arguments)
    if shell:
        become_shell(shell, stand, connection, standing, arguments)
    standing.forward_signals()
    end_like(standing.wait())


def _start(connection: Any, program: Dict[str, Any], real: str, script: str) -> Standing:
    try:
        connection.connect(FOLDER + "/template.socket")
    except OSError:
        raise Fallback("no template is running") from None
    try:
        request = describe(program, real, script)
    except OSError as error:
        raise Fallback("it cannot be described: " + str(error)) from None
    request["fds"] = open_files(connection.fileno())
    # The fork begins when the last writer of this pipe has closed it: signals are forwarded then. Until they are they
    # end this process, and with it the fork.
    begin, ready = posix.pipe2(posix.O_CLOEXEC)
    request["begin"] = begin
    try:
        standing = Standing(connection, ask(connection, request), ready)
    finally:
        posix.close(begin)
    _let_go(request["fds"])
    return standing


def _let_go(fds: List[int]) -> None:
    """The fork has its own: a pipe that this process kept open would never end for its reader."""
    null = posix.open("/dev/null", posix.O_RDWR)
    for fd in fds:
        if fd < FIRST_PRIVATE_FD:
            posix.dup2(null, fd)
        else:
            posix.close(fd)
    if null >= FIRST_PRIVATE_FD:
        posix.close(null)


def become_real(real: str, arguments: List[str]) -> NoReturn:
    """Replace this process by the real interpreter, with the signals that CPython took for itself given back."""
    for number in IGNORED_BY_PYTHON:
        _signal.signal(number, _signal.SIG_DFL)
    environment = dict(posix.environ)
    coerced = environment.get(b"LC_CTYPE", b"").startswith((b"C.", b"UTF-8"))
    if coerced and b"\0LC_CTYPE=" not in b"\0" + _read("/proc/self/environ"):
        # This interpreter set it for itself: the next one decides anew.
        del environment[b"LC_CTYPE"]
    posix.execve(real, [real, *arguments], environment)
    raise AssertionError("unreachable")


FOLDER = ""
