"""The command line that `ps` shows, written where the kernel looks for it: over the arguments and environment that
this process was started with. A fork has a copy of both.

Ray writes titles of its own later, with a library that looks for the arguments below the first variable of the
environment, as many as CPython says there were, beginning with the first one. So the fork is made to look like a
process that was started with this command line and nothing else: one long first argument, empty others, and the first
variable behind them. That one lies behind the place of the arguments, which everybody may read: the first argument ends
in as many blanks as that takes.
"""

import ctypes
from typing import Any, List, Tuple

# Fields of /proc/PID/stat, counted from the one after the name.
ARG_START = 45
_kept: List[Any] = []


def area() -> Tuple[int, int, int]:
    """Addresses: where the arguments begin and end, and the environment behind them ends. Zeros if they are apart."""
    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    arg_start, arg_end, env_start, env_end = (int(field) for field in fields[ARG_START : ARG_START + 4])
    together = arg_start < arg_end <= env_start <= env_end <= arg_end + (1 << 21)
    return (arg_start, arg_end, env_end) if together else (0, 0, 0)


def show(arguments: List[str], place: Tuple[int, int, int]) -> None:
    """Show these arguments as one line; as much of it as there is room for.

    The environment that was there is wiped: it is the template's, and would claim the fork for the template's service.
    The C library must have copies of its own by then.
    """
    start, arguments_end, end = place
    if not start:
        return
    argc, argv = ctypes.c_int(), ctypes.POINTER(ctypes.c_wchar_p)()
    ctypes.pythonapi.Py_GetArgcArgv(ctypes.byref(argc), ctypes.byref(argv))
    environ = ctypes.POINTER(ctypes.c_void_p).in_dll(ctypes.CDLL(None), "environ")
    first = (ctypes.string_at(environ[0]) if environ and environ[0] else b"") + b"\0"
    room = end - start
    text = " ".join(arguments).encode("utf-8", "surrogateescape").replace(b"\0", b" ")
    fits = len(first) + argc.value < room // 2
    text = text[: room - 1 - (len(first) + argc.value if fits else 0)]
    if fits:
        text = text.ljust(min(arguments_end - start - argc.value, room - 1 - len(first) - argc.value))
    tail = b"\0" * argc.value + first if fits else b""
    ctypes.memmove(start, (text + tail).ljust(room, b"\0"), room)
    if fits and argc.value:
        environ[0] = start + len(text) + argc.value
        line = ctypes.create_unicode_buffer(text.decode("utf-8", "surrogateescape"))
        _kept.append(line)
        argv[0] = ctypes.cast(line, ctypes.c_wchar_p)
