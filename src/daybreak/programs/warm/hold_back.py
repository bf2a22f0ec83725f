"""Processes that wait their turn: what the first response does not need starts after what it does."""

import time
from typing import Any, Dict, List

# Parts of the paths of Ray's own programs, and the modules that it starts with -m.
LATER = (
    "/ray/dashboard/dashboard.py",
    "/ray/autoscaler/_private/monitor.py",
    "/ray/autoscaler/v2/monitor.py",
    "ray.util.client.server",
)
# These wait for the dashboard, too: somebody looks at it, nobody at them.
LAST = ("/ray/dashboard/agent.py", "/ray/_private/log_monitor.py", "/programs/node/log_monitor.py")
LAST_S = 5.0
# What an application with a runtime environment waits for: not for long.
SOON = ("/ray/_private/runtime_env/agent/main.py",)
SOON_S = 3.0
# Programs that may be forked before the imports are done: what is missing they import themselves.
FIRST = ("/programs/node/start.py",)


class HeldBack:
    """The launchers that are kept waiting, and until when."""

    def __init__(self) -> None:
        self._until = 0.0
        self._soon = 0.0
        self._last = 0.0
        self._held: List[Any] = []

    @property
    def count(self) -> int:
        return len(self._held)

    def hold(self, seconds: float) -> None:
        """From now on, for at most that long."""
        now = time.monotonic()
        self._until = self._last = now + seconds
        self._soon = now + min(seconds, SOON_S)

    def holds(self, program: Dict[str, Any]) -> bool:
        now = time.monotonic()
        what = program["what"]
        return any(
            now < until and what.endswith(programs)
            for until, programs in ((self._until, LATER), (self._last, LAST), (self._soon, SOON))
        )

    @staticmethod
    def is_first(program: Dict[str, Any]) -> bool:
        return bool(program["what"].endswith(FIRST))

    def add(self, launcher: Any) -> None:
        self._held.append(launcher)

    def forget(self, launcher: Any) -> None:
        """It has gone."""
        self._held = [each for each in self._held if each is not launcher]

    def end(self, but_last: bool = False) -> None:
        """The time has come; for the last ones only a little later, where they are to be that."""
        self._until = self._soon = 0.0
        self._last = min(self._last, time.monotonic() + LAST_S) if but_last else 0.0

    def release(self) -> List[Any]:
        """Those that waited and whose time has come, in the order in which they came."""
        released = [launcher for launcher in self._held if not self.holds(launcher.request["program"])]
        self._held = [launcher for launcher in self._held if launcher not in released]
        return released
