"""OpenBLAS and OpenMP: no threads in the template, as many in its forks as a process of its own would have.

The pools are created when the libraries are loaded, so their number is set to 1 for that time. A fork sets it anew, but
has no thread before it computes something: a thread that the program does not know of would be handed its signals.
"""

import contextlib
import ctypes
import os
import re
from typing import Any, Iterator, List, Tuple

VARIABLES = ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
# Arrow's allocator has a thread that gives memory back, for pools that nobody uses unless he asks for them.
QUIET = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}
# What comes in front of and behind the names of OpenBLAS's calls, build by build.
NAMES = (("", ""), ("scipy_", "64_"), ("scipy_", ""), ("", "64_"))
LIBRARIES = ("openblas",)


class Pool:
    """One library that is loaded. Raises AttributeError where it is not the OpenBLAS that we know."""

    def __init__(self, library: Any) -> None:
        self._set, describe = self._calls(library)
        describe.restype = ctypes.c_char_p
        most = re.search(rb"MAX_THREADS=(\d+)", describe() or b"")
        self._most = int(most.group(1)) if most else 1
        self._numbers: List[Any] = []
        try:
            # Behind its back: it makes the threads when it first computes in parallel, as it does after a fork.
            numbers = [ctypes.c_int.in_dll(library, name) for name in ("blas_num_threads", "blas_cpu_number")]
            library.blas_thread_shutdown_()
            if ctypes.c_int.in_dll(library, "blas_server_avail").value == 0:
                self._numbers = numbers
        except (AttributeError, ValueError):
            pass

    @staticmethod
    def _calls(library: Any) -> Tuple[Any, Any]:
        for before, behind in NAMES:
            if hasattr(library, f"{before}openblas_set_num_threads{behind}"):
                return (
                    getattr(library, f"{before}openblas_set_num_threads{behind}"),
                    getattr(library, f"{before}openblas_get_config{behind}"),
                )
        raise AttributeError

    def set(self, wanted: int) -> None:
        """So many threads; they come at once only where there is no other way."""
        wanted = min(wanted, self._most)
        for number in self._numbers:
            number.value = wanted
        if not self._numbers and wanted > 1:
            self._set(wanted)


class Pools:
    """The thread pools of libraries that the template has loaded."""

    def __init__(self) -> None:
        self._pools: List[Pool] = []
        self._known: List[str] = []

    @staticmethod
    @contextlib.contextmanager
    def held_back() -> Iterator[None]:
        """No library that is loaded meanwhile starts threads."""
        held = {**dict.fromkeys(VARIABLES, "1"), **QUIET}
        before = {name: os.environ.get(name) for name in held}
        os.environ.update(held)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value

    def find(self) -> None:
        """Look for loaded libraries whose pool can be set."""
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as file:
            paths = {line.rstrip("\n").partition("/")[2] for line in file if "/" in line}
        for path in sorted(paths):
            name = os.path.basename(path)
            if path in self._known or not any(library in name for library in LIBRARIES):
                continue
            self._known.append(path)
            with contextlib.suppress(OSError, AttributeError):
                self._pools.append(Pool(ctypes.CDLL("/" + path)))

    def restore(self) -> None:
        """In a fork: as many threads as its own environment, or its processors, ask for."""
        processors = len(os.sched_getaffinity(0))
        wanted = processors
        for name in VARIABLES[:3]:
            text = os.environ.get(name, "").partition(",")[0]
            if text.isdigit() and int(text):
                wanted = min(int(text), processors)
                break
        for pool in self._pools:
            pool.set(wanted)
