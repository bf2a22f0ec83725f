"""What makes forks smaller: pages that a fork writes to are copied, pages that it leaves alone are shared.

A new object goes into the next gap between old ones. The template leaves no gaps, so that a fork's own objects lie
together on new pages and the template's pages stay shared.
"""

import ctypes
import mmap
import sys
from typing import Any, Callable, List, Tuple

# CPython's small objects: classes of 16 bytes in pools that begin with a header.
POOL = 0x1000 if sys.version_info < (3, 10) else 0x4000
HEADER = 48
STEP = 16
LARGEST = 512
BYTES_HEADER = 33
# Of each size, in case that an interpreter arranges its objects otherwise.
MOST = 1000
# What the C library has left: the large gaps first, the smallest in steps of their own.
SIZES = (*(1 << bits for bits in range(16, 10, -1)), *range(1008, 8, -STEP))


class _Malloc(ctypes.Structure):
    """mallinfo2 of the GNU C library."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
    ]


class Memory:
    """The template's own."""

    def __init__(self) -> None:
        self._kept: List[Any] = []

    def fill_gaps(self) -> None:
        """For small objects and for everything larger."""
        self._fill_pools()
        if hasattr(ctypes.CDLL(None), "mallinfo2"):
            _fill_heap(ctypes.CDLL(None))

    def _fill_pools(self) -> None:
        """Objects of every size until one begins a new pool. The garbage collector knows none of them."""
        makers: List[Callable[[], Any]] = [object, lambda: complex(len(self._kept), 1)]
        makers += [lambda size=size: bytes(size - BYTES_HEADER) for size in range(48, LARGEST + 1, STEP)]  # type: ignore[misc]
        for make in makers:
            for _ in range(MOST):
                made = make()
                self._kept.append(made)
                if id(made) % POOL == HEADER:
                    break


def _fill_heap(library: Any) -> None:
    library.mallinfo2.restype = _Malloc
    library.malloc.restype = library.sbrk.restype = ctypes.c_size_t
    library.malloc.argtypes = library.free.argtypes = [ctypes.c_size_t]
    end = library.sbrk(0) - library.mallinfo2().keepcost
    for size in SIZES:
        for _ in range(MOST):
            place = library.malloc(size)
            if not place or place >= end:
                library.free(place)
                break


def unmap_files() -> None:
    """Let go of pages of libraries that the template no longer uses: they come back from the file when one does.

    Only where nothing was written to: what the linker has changed exists nowhere else.
    """
    library = ctypes.CDLL(None)
    library.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    for start, end in _clean_mappings():
        library.madvise(start, end - start, mmap.MADV_DONTNEED)


def _clean_mappings() -> List[Tuple[int, int]]:
    found: List[Tuple[int, int]] = []
    with open("/proc/self/smaps", encoding="utf-8", errors="replace") as file:
        for line in file:
            words = line.split()
            if "-" in words[0]:
                start, end = (int(part, 16) for part in words[0].split("-"))
                of_a_library = words[1] in ("r-xp", "r--p") and len(words) > 5 and ".so" in words[5]
            elif words[0] == "Anonymous:" and of_a_library and words[1] == "0":
                found.append((start, end))
    return found
