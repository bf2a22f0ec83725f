"""The one loop that waits without an event loop; that of the keeper is in `health/wait.py`."""

from __future__ import annotations

import time
from collections.abc import Iterator

FIRST_S = 0.005
LONGEST_S = 0.1


def naps(deadline: float, *, first_s: float = FIRST_S, longest_s: float = LONGEST_S) -> Iterator[None]:
    """A turn at once, then one after every nap until `deadline` (monotonic seconds), the last at the deadline itself.

    Each nap is twice as long as the one before, `longest_s` at most. What is waited for ends the caller's loop; where
    the iterator ends, time is up.
    """
    yield
    nap_s = first_s
    while (left_s := deadline - time.monotonic()) > 0:
        time.sleep(min(nap_s, left_s))
        nap_s = min(nap_s * 2, longest_s)
        yield
