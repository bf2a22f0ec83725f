"""A fork runs its program, and ends as the program does.

The modules are not taken apart at the end, as CPython does it: each of the template's pages would be touched, and so
copied. What programs rely on happens: threads are waited for, `atexit` is called, nothing that is buffered is lost.
"""

import atexit
import builtins
import contextlib
import ctypes
import gc
import importlib.machinery
import io
import os
import signal
import sys
import threading
import traceback
import types
from typing import Any, Dict, Optional

FLUSH_S = 2.0


def run_program(program: Dict[str, Any], code: Optional[types.CodeType]) -> int:
    """Run it as `__main__` to its end, and return the exit code, or the negative number of the signal to end by.

    `code` is what it says, where it is no module.
    """
    try:
        _run(program, code)
        result = 0
    except SystemExit as error:
        result = _code_of_exit(error)
    except BaseException as error:
        trace = error.__traceback__ and error.__traceback__.tb_next  # without the frames of this file
        sys.excepthook(type(error), error.with_traceback(trace and trace.tb_next), trace and trace.tb_next)
        result = -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    for last in (threading._shutdown, atexit._run_exitfuncs, _flush):  # type: ignore[attr-defined]
        try:
            last()
        except BaseException:
            traceback.print_exc()
    return result


def _run(program: Dict[str, Any], code: Optional[types.CodeType]) -> None:
    main = types.ModuleType("__main__")
    if sys.version_info < (3, 14):
        main.__annotations__ = {}
    main.__dict__["__builtins__"] = builtins
    sys.modules["__main__"] = main
    if "__mp_main__" in sys.modules:
        sys.modules["__mp_main__"] = main  # multiprocessing took the template's when it was imported
    sys.argv = list(program["argv"])
    if code is None:
        import runpy

        runpy._run_module_as_main(program["what"], alter_argv=True)  # type: ignore[attr-defined]
        return
    if program["kind"] == "command":
        main.__loader__ = importlib.machinery.BuiltinImporter
    else:
        main.__loader__ = importlib.machinery.SourceFileLoader("__main__", program["what"])
        main.__file__ = program["what"]
        main.__dict__["__cached__"] = None
    exec(code, main.__dict__)


def _code_of_exit(error: SystemExit) -> int:
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF
    if sys.stderr is not None:
        print(error.code, file=sys.stderr)
    return 1


def _flush() -> None:
    """What is still buffered anywhere reaches its file, C's own streams included.

    Where another thread may be in the middle of writing it is not waited for beyond a moment.
    """
    flushing = threading.Thread(target=_flush_all, daemon=True)
    if threading.active_count() == 1:
        flushing.run()
    else:
        flushing.start()
        flushing.join(FLUSH_S)


def _flush_all() -> None:
    kinds = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)
    for each in gc.get_objects():
        if issubclass(type(each), kinds):
            with contextlib.suppress(BaseException):
                if not each.closed and each.writable():
                    each.flush()
    ctypes.CDLL(None).fflush(None)


def leave(code: int, template_pid: int, exit_file: str) -> None:
    """End the process. Where the template has died, the launcher finds the exit code in a file."""
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
        code = 128 - code
    if os.getppid() != template_pid:
        with contextlib.suppress(OSError):
            with open(exit_file + ".new", "w") as file:
                file.write(str(code))
            os.rename(exit_file + ".new", exit_file)
    os._exit(code)
