"""What programs of the machine say of themselves."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

TIMEOUT_S = 5.0


def said_by(argv: Sequence[str | Path], timeout_s: float = TIMEOUT_S) -> str | None:
    """What a program prints; None where it fails, or does not run here (another libc or processor)."""
    try:
        done = subprocess.run(
            argv, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout_s
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
    return done.stdout if done.returncode == 0 else None
