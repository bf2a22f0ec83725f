"""What a fork does: take over everything that its launcher was given, and become the program.

The standard library alone; no thread is started here. The order matters: files and limits first, then the interpreter's
own state, then the program.
"""

import atexit
import builtins
import contextlib
import ctypes
import fcntl
import gc
import importlib.machinery
import io
import os
import resource
import signal
import sys
import threading
import time
import traceback
import types
import weakref
from typing import AbstractSet, Any, Dict, List, Optional, Tuple

EXIT_FLUSH_FAILED = 120
FLUSH_S = 2.0
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


# --- the process ------------------------------------------------------------------------------------------------------


def take_over(request: Dict[str, Any], surroundings: Dict[str, Any], received: List[int], connection: int) -> None:
    """Become in all but the program what the launcher is; then tell it so. `surroundings` are this process's own.

    Where that cannot be, the launcher is told why, runs the real interpreter, and the fork ends: the launcher's files
    have not been touched.
    """
    try:
        _check(request["surroundings"], surroundings)
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        above = max([*request["fds"], 2]) + 1
        connection = fcntl.fcntl(connection, fcntl.F_DUPFD_CLOEXEC, above)
        begin = fcntl.fcntl(received[-1], fcntl.F_DUPFD_CLOEXEC, above)
        take_files(received[:-1], request["fds"], [connection, begin])
        take_process_state(request)
        take_environment(request["env"])
        fresh_streams(request["program"]["unbuffered"] or bool(os.environ.get("PYTHONUNBUFFERED")))
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


# --- the interpreter --------------------------------------------------------------------------------------------------


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


def fresh_streams(unbuffered: bool) -> None:
    """stdin, stdout and stderr as CPython makes them at its start, for the files that are there now."""
    names: Any = sys
    names.stdin = names.__stdin__ = _stream(0, "<stdin>", "r", unbuffered)
    names.stdout = names.__stdout__ = _stream(1, "<stdout>", "w", unbuffered)
    names.stderr = names.__stderr__ = _stream(2, "<stderr>", "w", unbuffered)


# What the template's own streams were made with: the same locale and the same settings hold for its forks.
_ENCODINGS = {0: ("utf-8", "strict"), 1: ("utf-8", "strict"), 2: ("utf-8", "backslashreplace")}


def remember_encodings() -> None:
    """Called once in the template."""
    for fd, stream in enumerate((sys.__stdin__, sys.__stdout__, sys.__stderr__)):
        if stream is not None:
            _ENCODINGS[fd] = (stream.encoding, stream.errors or "strict")


def _stream(fd: int, name: str, mode: str, unbuffered: bool) -> Any:
    try:
        os.fstat(fd)
    except OSError:
        return None  # closed: so it is in a process of its own
    writing = mode == "w"
    buffer: Any = open(fd, mode + "b", 0 if unbuffered and writing else -1, closefd=False)
    raw = buffer if unbuffered and writing else buffer.raw
    raw.name = name
    encoding, errors = _ENCODINGS[fd]
    made: Any = io.TextIOWrapper(
        buffer,
        encoding=encoding,
        errors=errors,
        newline="\n",
        line_buffering=(raw.isatty() or fd == 2) and not unbuffered,
        write_through=unbuffered,
    )
    made.mode = mode
    return made


def fresh_randomness() -> None:
    """What was seeded in the template would be the same in all forks. `random` itself reseeds when it is forked."""
    uuid: Any = sys.modules.get("uuid")
    if uuid is not None:
        uuid._last_timestamp = None
    tempfile: Any = sys.modules.get("tempfile")
    if tempfile is not None:
        tempfile.tempdir = None  # TMPDIR may be another one here
        tempfile._name_sequence = None
    process: Any = sys.modules.get("multiprocessing.process")
    if process is not None:
        process.current_process().authkey = os.urandom(32)


def fresh_beginnings() -> None:
    """What modules noted when they were loaded: the folder, the time, the thread."""
    process: Any = sys.modules.get("multiprocessing.process")
    if process is not None:
        process.ORIGINAL_DIR = os.path.abspath(os.getcwd())
    logging: Any = sys.modules.get("logging")
    if logging is not None:
        logging._startTime = time.time_ns() if isinstance(logging._startTime, int) else time.time()
    main_thread: Any = threading.main_thread()
    if hasattr(main_thread, "_set_native_id"):
        main_thread._set_native_id()


def take_executable(request: Dict[str, Any]) -> None:
    """The real interpreter: virtual environments, pip and debuggers look for their files around it.

    Only what multiprocessing starts comes from the template again, and says the same of itself.
    """
    sys.executable = request["real"]
    spawn: Any = sys.modules.get("multiprocessing.spawn")
    if spawn is not None:
        spawn.set_executable(request["executable"])
    program = request["program"]
    what = [program["argv"][0]] if program["kind"] == "script" else [program["argv"][0], program["what"]]
    sys.orig_argv = [sys.executable, *program["flags"], *what, *program["argv"][1:]]


def take_path(site_path: List[str], program: Dict[str, Any]) -> None:
    """sys.path as CPython computes it: the script's folder, PYTHONPATH, then what `site` found."""
    given = os.environ.get("PYTHONPATH", "")
    extra = given.split(os.pathsep) if given else []
    sys.path[:] = dict.fromkeys((*[os.path.abspath(entry) for entry in extra], *site_path))
    if not getattr(sys.flags, "safe_path", False):
        first = {"script": os.path.dirname(os.path.realpath(program["what"])), "command": "", "module": os.getcwd()}
        sys.path.insert(0, first[program["kind"]])
    # Finders remember what folders held when the template looked. Those of packages look again when one changes; to
    # tell them all, some five hundred, would copy them for every fork.
    for entry in sys.path:
        finder: Any = sys.path_importer_cache.get(entry)
        if finder is not None:
            finder.invalidate_caches()


# --- the program ------------------------------------------------------------------------------------------------------


def run_program(program: Dict[str, Any], code: Optional[types.CodeType], before: AbstractSet[str]) -> int:
    """Run it as `__main__` and return the exit code; never raises.

    `code` is what it says, where it is no module; `before` are the names of the modules that were there already.
    """
    error = _run(program, code)
    # From here on outside of any `except`: what goes wrong in a hook has nothing to do with the program's end.
    result = _report(error)
    error = None
    return _finish(before, result)


def _run(program: Dict[str, Any], code: Optional[types.CodeType]) -> Optional[BaseException]:
    """How it ended; nothing here refers to the program any more."""
    main = types.ModuleType("__main__")
    if sys.version_info < (3, 14):
        main.__annotations__ = {}
    main.__dict__["__builtins__"] = builtins
    sys.modules["__main__"] = main
    if "__mp_main__" in sys.modules:
        sys.modules["__mp_main__"] = main  # multiprocessing took the template's when it was imported
    sys.argv = list(program["argv"])
    try:
        if code is None:
            import runpy

            runpy._run_module_as_main(program["what"], alter_argv=True)  # type: ignore[attr-defined]
        elif program["kind"] == "command":
            main.__loader__ = importlib.machinery.BuiltinImporter
            _show_lines(code, program["what"])
            exec(code, main.__dict__)
        else:
            path = program["what"]
            main.__loader__ = importlib.machinery.SourceFileLoader("__main__", path)
            main.__file__ = path
            main.__dict__["__cached__"] = None
            exec(code, main.__dict__)
    except BaseException as error:
        trace = error.__traceback__
        return error.with_traceback(trace.tb_next if trace else None)
    return None


def _show_lines(code: types.CodeType, text: str) -> None:
    """Newer interpreters have the lines of a -c program in its tracebacks."""
    import linecache

    register: Any = getattr(linecache, "_register_code", None)
    if register is not None:
        with contextlib.suppress(Exception):
            register(code, text, "<string>")


def _report(error: Optional[BaseException]) -> int:
    """Tell what CPython tells about a program's end, and return the exit code that comes of it."""
    if error is None:
        return 0
    if isinstance(error, SystemExit):
        return _code_of_exit(error)
    names: Any = sys
    names.last_type, names.last_value, names.last_traceback = type(error), error, error.__traceback__
    if sys.version_info >= (3, 12):
        names.last_exc = error
    again: Optional[BaseException] = None
    if not hasattr(sys, "excepthook"):
        _say("sys.excepthook is missing\n")
        sys.__excepthook__(type(error), error, error.__traceback__)
    else:
        again = _call_hook(error)
    if isinstance(again, SystemExit):
        return _code_of_exit(again)
    if again is not None:
        _say("Error in sys.excepthook:\n")
        sys.__excepthook__(type(again), again, again.__traceback__)
        _say("\nOriginal exception was:\n")
        sys.__excepthook__(type(error), error, error.__traceback__)
    return -signal.SIGINT if type(error) is KeyboardInterrupt else 1


def _call_hook(error: BaseException) -> Optional[BaseException]:
    try:
        sys.excepthook(type(error), error, error.__traceback__)
    except BaseException as again:
        trace = again.__traceback__
        return again.with_traceback(trace.tb_next if trace else None)
    return None


def _code_of_exit(error: SystemExit) -> int:
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF if -(1 << 63) <= error.code < 1 << 63 else 0xFF
    try:
        text = str(error.code)
    except BaseException:
        text = ""
    _say(text + "\n")
    return 1


def _say(text: str) -> None:
    """To sys.stderr, or where the program has none to the file below it."""
    with contextlib.suppress(BaseException):
        if getattr(sys, "stderr", None) is not None:
            sys.stderr.write(text)
        else:
            os.write(2, text.encode("utf-8", "backslashreplace"))


def _finish(before: AbstractSet[str], code: int) -> int:
    """What CPython does at its end, but the template's modules stay whole: each of their pages would be touched.

    Finalizers run as long as no thread is left that would stumble over what is gone.
    """
    try:
        threading._shutdown()  # type: ignore[attr-defined]
    except BaseException as error:
        newer = sys.version_info >= (3, 13)
        _unraisable(error, threading, "on threading shutdown " if newer else "in: ", ":" if newer else "")
    with contextlib.suppress(BaseException):  # as of 3.10 nothing is raised
        atexit._run_exitfuncs()
    worked = _flush()
    alone = threading.active_count() == 1
    if alone:
        with contextlib.suppress(Exception):
            _end_modules(before)
    _flush_files(alone)
    return EXIT_FLUSH_FAILED if not worked and code >= 0 else code


def _flush() -> bool:
    worked = True
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name, None)
        try:
            if stream is not None and not _is_closed(stream):
                stream.flush()
        except BaseException as error:
            worked = False
            if name == "stdout" and sys.version_info >= (3, 14):
                _unraisable(error, None, "while flushing sys.stdout:")
            elif name == "stdout":
                _unraisable(error, stream, "in: ")
    return worked


def _is_closed(stream: Any) -> bool:
    try:
        return bool(stream.closed)
    except Exception:
        return False


def _unraisable(error: BaseException, where: Any, message: str, end: str = "") -> None:
    """As CPython tells of an error for which there is no one to catch it."""
    trace = error.__traceback__.tb_next if error.__traceback__ else None
    if sys.unraisablehook is not sys.__unraisablehook__:
        told = types.SimpleNamespace(
            exc_type=type(error), exc_value=error, exc_traceback=trace, err_msg=None, object=where
        )
        with contextlib.suppress(BaseException):
            sys.unraisablehook(told)
        return
    shown = "" if where is None else repr(where)
    text = f"Exception ignored {message}{shown}{end}\n"
    if trace is not None:
        text += "Traceback (most recent call last):\n" + "".join(traceback.format_tb(trace))
    _say(text + "".join(traceback.format_exception_only(type(error), error)))


def _end_modules(before: AbstractSet[str]) -> None:
    """Finalizers of what the program's own modules hold run, in CPython's order and with everything still there.

    Ray's library has threads that Python does not know: where it is loaded only `__main__` ends.
    """
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    if gc.isenabled():
        _collect()
    names: Any = sys
    for name in ("last_exc", "last_type", "last_value", "last_traceback", "path_hooks", "meta_path"):
        if hasattr(sys, name):
            setattr(sys, name, None)
    names.stdin, names.stdout, names.stderr = sys.__stdin__, sys.__stdout__, sys.__stderr__
    sys.modules.pop("__mp_main__", None)
    ending = ["__main__"]
    if "ray._raylet" not in sys.modules:
        ending += [name for name in sys.modules if name not in before and name != "__main__"]
    left = []
    for name in ending:
        module = sys.modules.pop(name, None)
        if isinstance(module, types.ModuleType):
            left.append(weakref.ref(module))
    module = None
    _collect()
    for still in reversed(left):
        _end_values(still())
    _collect()


def _end_values(module: Optional[types.ModuleType]) -> None:
    """Something of the template refers to this module: what its names hold goes, what finalizers may need stays."""
    if module is None:
        return
    space = module.__dict__
    kept = (types.ModuleType, types.FunctionType, types.BuiltinFunctionType, type)
    for private in (True, False):
        for name in list(space):
            one_underscore = name.startswith("_") and not name.startswith("__")
            if one_underscore == private and name != "__builtins__" and not isinstance(space[name], kept):
                space[name] = None


# What is warned of meanwhile seems to come from where CPython says it comes from.
_COLLECT = compile("collect()", "sys", "exec")


def _collect() -> None:
    exec(_COLLECT, {"__name__": "sys", "collect": gc.collect})


def _flush_files(alone: bool) -> None:
    """What is still buffered anywhere reaches its file, C's own streams included.

    A thread may be in the middle of writing: it is not waited for beyond a moment.
    """
    done = threading.Lock()
    done.acquire()

    def flush() -> None:
        kinds = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)
        for each in gc.get_objects():
            if issubclass(type(each), kinds):
                with contextlib.suppress(BaseException):
                    if not each.closed and each.writable():
                        each.flush()
        ctypes.CDLL(None).fflush(None)
        done.release()

    if alone:
        flush()
    else:
        import _thread

        with contextlib.suppress(RuntimeError):
            _thread.start_new_thread(flush, ())
            done.acquire(timeout=FLUSH_S)


def leave(code: int, template_pid: int, exit_file: str) -> None:
    """End the process. Where the template has died, the launcher finds the exit code in a file."""
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
        code = 128 - code
    if os.getppid() != template_pid:
        write_exit(code, exit_file)
    os._exit(code)


def write_exit(code: int, exit_file: str) -> None:
    try:
        with open(exit_file + ".new", "w") as file:
            file.write(str(code))
        os.rename(exit_file + ".new", exit_file)
    except OSError:
        pass
