"""A fork becomes in all but the program what its launcher is: files, environment, limits, signals, folder.

The standard library alone; no thread is started here. The order matters: files and limits come first.
"""

import contextlib
import fcntl
import os
import resource
import signal
import time
from typing import Any, Callable, Dict, List, Tuple

from . import fresh

LIMITS = {
    "Max cpu time": resource.RLIMIT_CPU,
    "Max file size": resource.RLIMIT_FSIZE,
    "Max data size": resource.RLIMIT_DATA,
    "Max stack size": resource.RLIMIT_STACK,
    "Max core file size": resource.RLIMIT_CORE,
    "Max resident set": resource.RLIMIT_RSS,
    "Max processes": resource.RLIMIT_NPROC,
    "Max open files": resource.RLIMIT_NOFILE,
    "Max locked memory": resource.RLIMIT_MEMLOCK,
    "Max address space": resource.RLIMIT_AS,
    "Max pending signals": resource.RLIMIT_SIGPENDING,
    "Max msgqueue size": resource.RLIMIT_MSGQUEUE,
    "Max nice priority": resource.RLIMIT_NICE,
    "Max realtime priority": resource.RLIMIT_RTPRIO,
}
# Memory that the template has already, and stacks that the C library has measured: a fork cannot be held to these.
MEASURED = (resource.RLIMIT_AS, resource.RLIMIT_DATA, resource.RLIMIT_STACK)


class Impossible(Exception):
    """The fork cannot become what the launcher is."""


def take_over(
    request: Dict[str, Any],
    surroundings: Dict[str, Any],
    received: List[int],
    connection: int,
    record: Callable[[], None],
) -> None:
    """Become in all but the program what the launcher is; then tell it so. `surroundings` are this process's own;
    `record` writes down who this is, without which nobody could end it.

    Where that cannot be, the launcher is told why, runs the real interpreter, and the fork ends: the launcher's files
    have not been touched.
    """
    try:
        record()
        _check(request["surroundings"], surroundings)
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        above = max([*request["fds"], 2]) + 1
        connection = fcntl.fcntl(connection, fcntl.F_DUPFD_CLOEXEC, above)
        begin = fcntl.fcntl(received[-1], fcntl.F_DUPFD_CLOEXEC, above)
        take_files(received[:-1], request["fds"], [connection, begin])
        take_process_state(request)
        take_environment(request["env"])
        fresh.streams(request["program"]["unbuffered"] or bool(os.environ.get("PYTHONUNBUFFERED")))
    except BaseException as error:
        text = (str(error) if isinstance(error, Impossible) else f"{type(error).__name__}: {error}").encode()
        with contextlib.suppress(OSError):
            os.write(connection, b"R" + len(text).to_bytes(4, "little") + text)
        os._exit(1)
    os.write(connection, b"P" + os.getpid().to_bytes(4, "little"))
    os.close(connection)
    # What is sent to the launcher before it forwards signals would end it: the program begins when it does.
    os.read(begin, 1)
    os.close(begin)


def _check(theirs: Dict[str, Any], ours: Dict[str, Any]) -> None:
    for name in ours:
        if theirs.get(name) != ours[name]:
            raise Impossible(f"its {name} differs")


def take_files(received: List[int], wanted: List[int], keep: List[int]) -> None:
    """Put the received files under the numbers that the launcher had; everything else but `keep` is closed."""
    parked = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, max(keep) + 1) for fd in received]
    open_now = [int(name) for name in os.listdir("/proc/self/fd")]
    for fd in open_now:
        if fd not in keep and fd not in parked:
            with contextlib.suppress(OSError):  # the listing's own
                os.close(fd)
    for fd, number in zip(parked, wanted):
        os.dup2(fd, number)
        os.close(fd)


def take_process_state(request: Dict[str, Any]) -> None:
    """Folder, mask, limits, priority, signals, group."""
    if request["leads_session"]:
        os.setsid()
    else:
        os.setpgid(0, 0)
    os.umask(request["umask"])
    os.chdir(request["cwd"])
    nice = request["nice"] - os.getpriority(os.PRIO_PROCESS, 0)
    if nice:
        os.nice(nice)
    if set(request["affinity"]) != os.sched_getaffinity(0):
        os.sched_setaffinity(0, request["affinity"])
    _take_limits(request["limits"].decode())
    score = request["oom_score_adj"]
    with open("/proc/self/oom_score_adj", "rb+", buffering=0) as file:
        if file.read() != score:
            file.write(score)
    _take_signals(request["ignored"])
    signal.pthread_sigmask(signal.SIG_SETMASK, request["blocked"])


def _take_signals(ignored: List[int]) -> None:
    """As an interpreter finds and sets them at its start."""
    own: Dict[int, Any] = {signal.SIGPIPE: signal.SIG_IGN, signal.SIGXFSZ: signal.SIG_IGN}
    own[signal.SIGINT] = signal.default_int_handler
    for number in signal.valid_signals():
        wanted = signal.SIG_IGN if number in ignored else own.get(number, signal.SIG_DFL)
        if signal.getsignal(number) is not wanted and number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, wanted)


def _take_limits(text: str) -> None:
    for name, soft, hard in limits(text):
        if resource.getrlimit(name) != (soft, hard):
            if name in MEASURED:
                raise Impossible("its limits of memory differ")
            resource.setrlimit(name, (soft, hard))


def limits(text: str) -> List[Tuple[int, int, int]]:
    """(which, soft, hard) from the text of /proc/PID/limits."""
    found = []
    for line in text.splitlines()[1:]:
        which = LIMITS.get(line[:25].strip())
        if which is not None:
            soft, hard = line[26:].split()[:2]
            found.append((which, _amount(soft), _amount(hard)))
    return found


def _amount(text: str) -> int:
    return resource.RLIM_INFINITY if text == "unlimited" else int(text)


def take_environment(env: Dict[bytes, bytes]) -> None:
    """Make os.environ, and the C library's environment below it, what the launcher had.

    Every variable is set, equal or not, and in the launcher's order: the memory that the template was started with is
    needed for the title.
    """
    environb = os.environb
    environb.clear()
    for name, value in env.items():
        environb[name] = value
    time.tzset()
