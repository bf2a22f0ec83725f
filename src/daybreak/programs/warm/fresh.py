"""What is a process's own from its beginning, made anew in a fork: streams, randomness, search paths, the time."""

import io
import os
import sys
import threading
import time
from typing import Any, Dict, List

from . import skip_modules


def streams(unbuffered: bool) -> None:
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


def randomness() -> None:
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


def beginnings() -> None:
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


def executable(request: Dict[str, Any]) -> None:
    """The real interpreter: virtual environments, pip and debuggers look for their files around it.

    What multiprocessing starts for Ray's dashboard are the dashboard's modules: they come from the template, too.
    """
    sys.executable = request["real"]
    program = request["program"]
    spawn: Any = sys.modules.get("multiprocessing.spawn")
    if spawn is not None:
        spawn.set_executable(request["executable" if program["what"].endswith(skip_modules.DASHBOARD) else "real"])
    what = [program["argv"][0]] if program["kind"] == "script" else [program["argv"][0], program["what"]]
    sys.orig_argv = [sys.executable, *program["flags"], *what, *program["argv"][1:]]


def search_path(site_path: List[str], program: Dict[str, Any]) -> None:
    """sys.path as CPython computes it: the script's folder, PYTHONPATH, then what `site` found."""
    given = os.environ.get("PYTHONPATH", "")
    extra = given.split(os.pathsep) if given else []
    sys.path[:] = dict.fromkeys((*[os.path.abspath(entry) for entry in extra], *site_path))
    if not getattr(sys.flags, "safe_path", False):
        first = {"script": os.path.dirname(os.path.realpath(program["what"])), "command": "", "module": os.getcwd()}
        sys.path.insert(0, first[program["kind"]])
    look_again()


def look_again() -> None:
    """Finders remember what folders held when the template looked. Those of packages look again when one changes; to
    tell them all, some five hundred, would copy them for every fork."""
    for entry in sys.path:
        finder: Any = sys.path_importer_cache.get(entry)
        if finder is not None:
            finder.invalidate_caches()
