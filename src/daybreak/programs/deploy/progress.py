"""How far a deployment is, for whoever watches its file, and how long it waits for what."""

import time
from typing import Any, Dict, Iterator, Sequence

from ..common.whole_file import write_json

# Waits begin with short naps and double up to the longest.
SHORTEST_NAP_S = 0.01
LONGEST_NAP_S = 0.25
MOST_LINES = 300


class DeployFailed(Exception):
    """The applications will not run; the message is for the user. `whole` is what it was made from."""

    def __init__(self, message: str, lines: Sequence[str] = (), whole: str = "") -> None:
        super().__init__(message)
        self.lines = list(lines)
        self.whole = whole


class Status:
    """The status file: stage, reason and error, written as they change."""

    def __init__(self, path: str, instance: str) -> None:
        self._path = path
        self._last: Dict[str, Any] = {}
        self._instance = instance

    def write(self, stage: str, reason: str = "", error: Sequence[str] = (), whole: str = "") -> None:
        state = {"stage": stage, "reason": reason, "error": list(error), "instance": self._instance}
        state["whole"] = whole.strip().splitlines()[-MOST_LINES:]
        if state == self._last:
            return
        write_json(self._path, state)
        self._last = state
        print(f"{stage}: {reason}" if reason else stage, flush=True)


def naps(deadline: float, what: str) -> Iterator[float]:
    """Yield growing naps until the deadline (monotonic seconds), then raise DeployFailed naming `what`."""
    nap = SHORTEST_NAP_S
    while time.monotonic() < deadline:
        yield nap
        nap = min(nap * 2, LONGEST_NAP_S)
    raise DeployFailed(f"timed out: {what}")
