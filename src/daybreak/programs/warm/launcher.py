"""What Ray believes is its Python: asks the template for a forked process and stands in for it.

It starts in ten milliseconds because it imports nothing but built-in modules. Ray's own programs and daybreak's are
forked; every other program gets the real interpreter at once. For one that is forked it hands its arguments,
environment, folder, limits and every open file to the template; from then on it forwards signals to the fork and ends
as the fork ends. Where the template cannot do it (not there, refusing, too slow, flags that a fork cannot have), the
real interpreter takes this process over: slower, never broken.

Both sides run the same interpreter, so requests are marshalled. A frame is its length (4 bytes) and the bytes. The
template answers with single bytes: `H` (held back until more important processes have started), `W` (held back until
somebody connects to where the program listens), `A` (it would fork now, and does once this process has sent its open
files, in groups, each with a `G`: a launcher that has given up meanwhile never gets a fork, so nothing runs twice, and
a template that has been stopped holds nobody's files), `P` and the fork's pid (4 bytes, from the fork itself), `R` and
a reason (refused); at the fork's end one line with its wait status. A launcher whose fork is stopped or continued is
so, too, by a signal from the template.

Some thirty launchers stand in for as long as a cluster runs. Where the system has a small shell (dash), the same
process becomes one that does it (`stand.sh`): a tenth of a megabyte instead of four and a half. Where there is none,
`fork_stand_in.py` does it.
"""

import _signal  # type: ignore[import-not-found]
import _socket
import marshal
import posix
import sys

TYPE_CHECKING = False  # to load `typing` would take as long as everything that is done here
if TYPE_CHECKING:
    from typing import Any, Dict, List, NoReturn, Optional, Tuple

PROTOCOL = 5
# In the template's folder.
SOCKET, FALLBACKS = "/template.socket", "/fallbacks"
# How long the template may take to answer, and how long once it has said that the process is held back.
ANSWER_S = 20.0
HELD_S = 60.0
FDS_PER_MESSAGE = 250
FIRST_PRIVATE_FD = 3
# What Ray's dashboard forks its modules from; below a program of the user's it would be another one's.
FORK_SERVER, PRELOADED = "from multiprocessing.forkserver import main", "'ray.dashboard."
# Lines of /proc/self/status, and entries of /proc/self/ns.
PRIVILEGES = frozenset("Uid Gid Groups CapInh CapPrm CapEff CapBnd CapAmb NoNewPrivs Seccomp".split())
NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")
# CPython itself ignores these two in every process.
IGNORED_BY_PYTHON = frozenset((_signal.SIGPIPE, _signal.SIGXFSZ))


class Fallback(Exception):
    """The real interpreter must do it; the message says why."""


def parse(arguments: "List[str]", homes: "Tuple[str, ...]") -> "Optional[Dict[str, Any]]":
    """What python would run with these arguments; None where that is the real interpreter's business.

    `homes` are the folders whose programs are forked, each with a slash at its end. A dict of `kind` (script, command,
    module), `what`, `argv`, `flags` and `unbuffered`. Of flags, those are possible that say what the environment says,
    too: multiprocessing hands them on.
    """
    possible = ["-u", "-B"] if posix.environ.get(b"PYTHONDONTWRITEBYTECODE") else ["-u"]
    flags = []
    rest = list(arguments)
    while rest and rest[0] in possible:
        flags.append(rest.pop(0))
    what = rest[1] if len(rest) > 1 else ""
    if rest[:1] == ["-c"] and what.startswith(FORK_SERVER) and PRELOADED in what:
        kind = "command"
    elif rest[:1] == ["-m"] and what.startswith("ray."):
        kind = "module"
    elif rest and rest[0].startswith(homes) and rest[0].endswith(".py"):
        kind, what = "script", rest[0]
    else:
        return None
    argv = rest if kind == "script" else [rest[0], *rest[2:]]
    return {"kind": kind, "what": what, "argv": argv, "flags": flags, "unbuffered": "-u" in flags}


def open_files(except_for: int) -> "List[int]":
    """Every file descriptor that this process was given."""
    # The listing itself has one open: it is closed again when the names are here.
    return sorted(fd for fd in map(int, posix.listdir("/proc/self/fd")) if fd != except_for and _is_open(fd))


def _is_open(fd: int) -> bool:
    try:
        posix.fstat(fd)
    except OSError:
        return False
    return True


def describe(program: "Dict[str, Any]", real: str, script: str) -> "Dict[str, Any]":
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
        "limits": _read("/proc/self/limits"),  # quicker than to load the module that asks for each
        "oom_score_adj": _read("/proc/self/oom_score_adj"),
        "surroundings": surroundings(),
    }


def surroundings() -> "Dict[str, Any]":
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


def _read(path: str) -> bytes:
    try:
        fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return posix.read(fd, 65536)
    finally:
        posix.close(fd)


def send(connection: "Any", message: "Dict[str, Any]") -> None:
    """One frame."""
    data = marshal.dumps(message)
    connection.sendall(len(data).to_bytes(4, "little") + data)


def send_files(connection: "Any", fds: "List[int]") -> None:
    """What the template waits for before it forks: a `G` for each group of files."""
    for start in range(0, len(fds), FDS_PER_MESSAGE):
        packed = b"".join(fd.to_bytes(4, sys.byteorder) for fd in fds[start : start + FDS_PER_MESSAGE])
        connection.sendmsg([b"G"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, packed)])


def receive(connection: "Any", size: int) -> bytes:
    """Exactly that many bytes; raises Fallback at the end of the stream."""
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise Fallback("the template went away")
        data += part
    return data


def ask(connection: "Any", request: "Dict[str, Any]", begin: int) -> int:
    """Have a fork made, held back by the pipe `begin`; returns its pid. Raises Fallback where none was made."""
    connection.settimeout(ANSWER_S)
    try:
        send(connection, request)
        while True:
            answer = receive(connection, 1)
            if answer == b"P":
                return int.from_bytes(receive(connection, 4), "little")
            if answer == b"R":
                size = int.from_bytes(receive(connection, 4), "little")
                raise Fallback(receive(connection, size).decode())
            if answer == b"A":
                connection.settimeout(ANSWER_S)
                send_files(connection, [*request["fds"], begin])
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


def note(folder: str, reason: str, arguments: "List[str]") -> None:
    """One line for the timeline: when, why, what."""
    import time

    words = [" ".join(text.split()) for text in (reason, " ".join(arguments)[:300])]
    line = "\t".join([f"{time.time():.3f}", *words]) + "\n"
    try:
        fd = posix.open(folder + FALLBACKS, posix.O_WRONLY | posix.O_APPEND | posix.O_CREAT | posix.O_CLOEXEC, 0o600)
        posix.write(fd, line.encode("utf-8", "replace"))
        posix.close(fd)
    except OSError:
        pass


def main(real: str, script: str, folder: str, homes: "Tuple[str, ...]", shell: "Tuple[str, ...]" = ()) -> "NoReturn":
    """Run what the arguments say; `real` is the interpreter, `script` this launcher's path, `folder` the template's.

    For `homes` see `parse`; `shell` is a small one and the script that it stands in with, where there is one.
    """
    arguments = sys.argv[1:]
    if not _is_ignored(_signal.SIGINT):
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)  # not a traceback of this file
    program = parse(arguments, homes)
    if program is None:
        become_real(real, arguments)
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
    try:
        pid, ready = _start(connection, program, real, script, folder)
    except Fallback as why:
        note(folder, str(why), arguments)
        connection.close()
        become_real(real, arguments)
    import fork_stand_in  # type: ignore[import-not-found]

    made = fork_stand_in.ForkStandIn(connection, pid, folder, ready)
    if shell:
        made.become_shell([*shell, real, folder], arguments)
    made.forward_signals()
    fork_stand_in.end_like(made.wait())
    raise AssertionError("unreachable")


def _start(connection: "Any", program: "Dict[str, Any]", real: str, script: str, folder: str) -> "Tuple[int, int]":
    """The fork's pid, and the file that holds it back until it is closed."""
    try:
        connection.connect(folder + SOCKET)
    except OSError:
        raise Fallback("no template is running") from None
    try:
        request = describe(program, real, script)
    except OSError as error:
        raise Fallback("it cannot be described: " + str(error)) from None
    request["fds"] = open_files(connection.fileno())
    begin, ready = posix.pipe2(posix.O_CLOEXEC)
    try:
        pid = ask(connection, request, begin)
    finally:
        posix.close(begin)
    _let_go(request["fds"])
    return pid, ready


def _let_go(fds: "List[int]") -> None:
    """The fork has its own: a pipe that this process kept open would never end for its reader."""
    null = posix.open("/dev/null", posix.O_RDWR)
    for fd in fds:
        if fd < FIRST_PRIVATE_FD:
            posix.dup2(null, fd)
        else:
            posix.close(fd)
    if null >= FIRST_PRIVATE_FD:
        posix.close(null)


def become_real(real: str, arguments: "List[str]") -> "NoReturn":
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
