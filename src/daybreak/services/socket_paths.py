"""Unix sockets whose paths would be too long, told before anything starts. Pure."""

from __future__ import annotations

from daybreak.errors import PreflightError
from daybreak.paths import LONGEST_SOCKET_PATH as LONGEST

# As long as Ray's names of sessions become: local time, microseconds, and a pid of seven digits.
SESSION = "session_2000-01-01_00-00-00_000000_4000000"


def require_short(path: str, what: str = "the socket") -> None:
    """Raises PreflightError, with the number of bytes that the path is too long by."""
    excess = len(path.encode()) - LONGEST
    if excess > 0:
        raise PreflightError(
            [f"{what}'s path is longer than {LONGEST} bytes: {path}"],
            hint=f"choose a place for sockets that is {excess} bytes shorter with DAYBREAK_RUNTIME=/short/path",
        )
