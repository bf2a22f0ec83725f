"""How containers end, in words: from the engine's events and from what it says of a container that has ended. Pure."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Any

from daybreak.backends.base import Exit
from daybreak.docker import labels

# A shell, and the engine too, tell the end by a signal as 128 and its number.
SIGNALLED = 128
KILLED = SIGNALLED + signal.SIGKILL
MIB = 1024 * 1024
REMOVED = Exit(None, "is gone: its container was removed")


def exit_of(code: int, *, out_of_memory: bool, limit_bytes: int | None = None) -> Exit:
    """The end with its reason; `out_of_memory` says that a process in the container was killed for lack of it."""
    if not out_of_memory:
        return Exit(code, _plain(code))
    limit = f" (limit {limit_bytes / MIB:g} MiB)" if limit_bytes else ""
    if code == KILLED:
        return Exit(code, f"ran out of memory{limit}")
    return Exit(code, f"{_plain(code)} after a process in it ran out of memory{limit}")


def of_event(attributes: Mapping[str, str], *, out_of_memory: bool) -> Exit:
    """From the event `die`; its attributes hold the container's labels."""
    return exit_of(
        int(attributes.get("exitCode", -1)), out_of_memory=out_of_memory, limit_bytes=_limit_bytes(attributes)
    )


def may_be_for_want_of_memory(attributes: Mapping[str, str]) -> bool:
    """Whether the event `die` may have an event `oom` behind it: of what was killed, or had a limit and failed."""
    code = int(attributes.get("exitCode", -1))
    return code == KILLED or (code != 0 and _limit_bytes(attributes) is not None)


def of_inspection(inspected: Mapping[str, Any]) -> Exit | None:
    """From what the engine says of the container; None where it has not ended."""
    state = inspected["State"]
    if state["Status"] not in ("exited", "dead"):
        return None
    return exit_of(
        int(state["ExitCode"]),
        out_of_memory=bool(state.get("OOMKilled")),
        limit_bytes=_limit_bytes(inspected["Config"]["Labels"]),
    )


def _limit_bytes(found: Mapping[str, str]) -> int | None:
    return int(found[labels.MEMORY]) if labels.MEMORY in found else None


def _plain(code: int) -> str:
    try:
        return f"exited with code {code} ({signal.Signals(code - SIGNALLED).name})"
    except ValueError:
        return f"exited with code {code}"
