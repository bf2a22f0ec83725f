"""What is required of a fault's row, and what of it is not so. Pure."""

from __future__ import annotations

from bench.faults.blow import Blow
from bench.faults.judge import Row


def required(blow: Blow) -> str:
    """What is not required is told all the same: how many requests failed."""
    return "heals" if blow.failures else "0 failed, heals"


def broken(blow: Blow, row: Row, *, timed: bool) -> str:
    """In words; empty where all is as required. Where nothing is timed, only answers that failed show what status did
    not say: any wait may be the machine's. What failed then may have waited for longer than the gateway holds it, and
    would not have elsewhere: that decides nothing."""
    lies = row.lies_count if timed else row.untrue_count
    failed = bool(row.failed_count) and not blow.failures
    found = (
        (failed and timed, f"{row.failed_count} failed"),
        (row.healthy_s is None, "did not heal"),
        (lies, "status lied"),
        (row.lost is None or any(count != 0 for count in row.lost.values()), "data lost, or not known"),
        (bool(row.exceeded), "bounds passed"),
    )
    words = ", ".join(word for is_so, word in found if is_so)
    if words or not failed:
        return f"no: {words}" if words else ""
    return "open: requests failed beside other work"
