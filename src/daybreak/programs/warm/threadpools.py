"""OpenBLAS and OpenMP: no threads in the template, as many in its forks as a process of its own would have.

OpenBLAS makes its threads when it is loaded, so their number is set to 1 for that time. A fork sets it anew, but has no
thread before it computes something: a thread that the program does not know of would be handed its signals. GNU's
OpenMP reads its number when it is loaded, and has threads when it first needs them. LLVM's and Intel's look for it when
they first need it, and once more in a fork.
"""

import contextlib
import ctypes
import importlib.machinery
import os
import re
import sys
from typing import Any, Dict, Iterator, List, Mapping, Optional, Set, Tuple

VARIABLES = ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
# Arrow's allocator has a thread that gives memory back, for pools that nobody uses unless he asks for them.
QUIET = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}
# What comes in front of and behind the names of OpenBLAS's calls, build by build.
NAMES = (("", ""), ("scipy_", "64_"), ("scipy_", ""), ("", "64_"))
WORD = ctypes.sizeof(ctypes.c_ulong)
PROBE = 3


class OpenBlas:
    """One that is loaded. Raises AttributeError where it is not the OpenBLAS that we know."""

    ASKED = VARIABLES[:3]

    def __init__(self, path: str) -> None:
        library = ctypes.CDLL(path)
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

    def set(self, asked: Optional[int]) -> None:
        """So many threads, but no more than processors; they come at once only where there is no other way."""
        processors = len(os.sched_getaffinity(0))
        wanted = min(asked or processors, processors, self._most)
        for number in self._numbers:
            number.value = wanted
        if not self._numbers and wanted > 1:
            self._set(wanted)


class OpenMp:
    """GNU's, loaded. Raises LookupError where it cannot be found out where it keeps the number.

    omp_set_num_threads sets the number of one thread alone, the one that calls it, and others start with what was read
    from the environment. That is a word among the library's own data: the one that makes omp_get_max_threads answer
    something else.
    """

    ASKED = ("OMP_NUM_THREADS",)

    def __init__(self, path: str) -> None:
        library = ctypes.CDLL(path)
        most = self._most = library.omp_get_max_threads
        self._set_own = library.omp_set_num_threads
        now = most()
        for start, end in _writable(path):
            for place in range(start, end - WORD + 1, WORD):
                word = ctypes.c_ulong.from_address(place)
                if word.value == now:
                    word.value = PROBE + now
                    found = most() == PROBE + now
                    word.value = now
                    if found:
                        self._number = word
                        return
        raise LookupError

    def set(self, asked: Optional[int]) -> None:
        wanted = asked or len(os.sched_getaffinity(0))
        self._number.value = wanted
        if self._most() != wanted:
            self._set_own(wanted)  # somebody has set it for this thread when he was imported: torch


KINDS = (("openblas", OpenBlas), ("libgomp", OpenMp))


class Pools:
    """The thread pools of libraries that the template has loaded, by the module that loaded them."""

    def __init__(self) -> None:
        self._owners: Dict[str, List[Any]] = {}
        self._unknown: List[str] = []
        self._before = (importlib.machinery.ExtensionFileLoader.create_module, ctypes.CDLL.__init__)
        self._known: Set[str] = set()
        self._loaded = 0

    @contextlib.contextmanager
    def held_back(self) -> Iterator[None]:
        """No library that is loaded meanwhile starts threads, and it is known for whom it was loaded."""
        held = {**dict.fromkeys(VARIABLES, "1"), **QUIET}
        before = {name: os.environ.get(name) for name in held}
        os.environ.update(held)
        calls = self._before

        def create_module(self_: Any, spec: Any) -> Any:
            made = calls[0](self_, spec)
            if _libraries_loaded() == self._loaded + 1:
                self._loaded += 1  # itself alone: nothing to look for
            self.find(spec.name)
            return made

        def load(self_: Any, *args: Any, **options: Any) -> None:
            calls[1](self_, *args, **options)
            self.find()

        self._put(create_module, load)
        try:
            yield
        finally:
            self.leave()
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value

    def leave(self) -> None:
        """Look on no longer: also in a fork that is made meanwhile."""
        self._put(*self._before)

    @staticmethod
    def _put(*calls: Any) -> None:
        loader: Any = importlib.machinery.ExtensionFileLoader
        library: Any = ctypes.CDLL
        loader.create_module, library.__init__ = calls

    def find(self, owner: str = "") -> None:
        """Look for libraries that have just been loaded. The owner is who asks for one with ctypes, unless it is
        given."""
        loaded = _libraries_loaded()
        if loaded == self._loaded:
            return
        self._loaded = loaded
        for path in sorted(_mapped() - self._known):
            self._known.add(path)
            for part, kind in KINDS:
                if part in os.path.basename(path):
                    self._add(owner or _asking(), path, kind)

    def take(self) -> List[Tuple[str, List[Any]]]:
        """Modules and their pools, those that have not been taken yet. Some libraries nobody seems to have loaded."""
        taken, self._owners = self._owners, {}
        return list(taken.items())

    def check(self) -> str:
        """What is wrong with the libraries that are loaded; empty where a fork can set them all."""
        return f"a fork could not set the number of threads of {self._unknown[0]}" if self._unknown else ""

    def _add(self, owner: str, path: str, kind: Any) -> None:
        try:
            self._owners.setdefault(owner, []).append(kind(path))
        except (OSError, AttributeError, LookupError):
            self._unknown.append(os.path.basename(path))


def set_numbers(pools: List[Any]) -> None:
    """In a fork: as many threads as its environment, or its processors, ask for at this moment."""
    for pool in pools:
        pool.set(_asked(pool.ASKED))


def fresh_numexpr(modules: Mapping[str, Any]) -> None:
    """In a fork that imports it: its threads are its own, as many as it finds out when it is imported."""
    module = modules["numexpr"]
    module.nthreads = module._init_num_threads()


def _asked(names: Tuple[str, ...]) -> Optional[int]:
    for name in names:
        text = os.environ.get(name, "").partition(",")[0].strip()
        if text.isdigit() and int(text):
            return int(text)
    return None


def _asking() -> str:
    """The module that calls ctypes."""
    frame: Any = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__") in (__name__, "ctypes"):
        frame = frame.f_back
    name = frame.f_globals.get("__name__", "") if frame is not None else ""
    return "" if name == "__main__" else str(name)


class _Loaded(ctypes.Structure):
    """dl_phdr_info of the C library."""

    _fields_ = [
        ("address", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
        ("headers", ctypes.c_void_p),
        ("count", ctypes.c_uint16),
        ("loaded", ctypes.c_ulonglong),
        ("unloaded", ctypes.c_ulonglong),
    ]


_Visit = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Loaded), ctypes.c_size_t, ctypes.c_void_p)


def _libraries_loaded() -> int:
    """How many have been loaded since the process began."""
    found = []

    def visit(info: Any, _size: int, _data: Any) -> int:
        found.append(int(info[0].loaded))
        return 1

    ctypes.pythonapi.dl_iterate_phdr(_Visit(visit), None)
    return found[0]


def _mapped() -> Set[str]:
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as file:
        return {"/" + line.rstrip("\n").partition("/")[2] for line in file if ".so" in line and "/" in line}


def _writable(path: str) -> List[Tuple[int, int]]:
    """Where the data of this library are."""
    found = []
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as file:
        for line in file:
            words = line.rstrip("\n").split(None, 5)
            if len(words) == 6 and words[5] == path and words[1] == "rw-p":
                start, end = (int(part, 16) for part in words[0].split("-"))
                found.append((start, end))
    return found
