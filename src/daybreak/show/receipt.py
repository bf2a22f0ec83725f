"""What the gateway counted during a run, in one line. Pure."""

from __future__ import annotations

from daybreak.show.text import seconds
from daybreak.timeline.receipt import Receipt


def receipt_text(receipt: Receipt) -> str:
    """`12,304 requests, 0 failed, slowest 38 ms, held 0`; what else there may be only where it is."""
    parts = [f"{receipt.requests:,} {'request' if receipt.requests == 1 else 'requests'}", f"{receipt.failed:,} failed"]
    if receipt.errors:
        parts.append(f"{receipt.errors:,} answered with an error")
    if receipt.left:
        parts.append(f"{receipt.left:,} left by their clients")
    if receipt.slowest_ms is not None:
        parts.append(f"slowest {milliseconds(receipt.slowest_ms)}")
    longest = f" for at most {milliseconds(receipt.longest_held_ms)}" if receipt.longest_held_ms is not None else ""
    parts.append(f"held {receipt.held:,}{longest}")
    if receipt.under_way:
        parts.append(f"{receipt.under_way:,} more that waited are still being answered")
    if receipt.rehearsed is not None:
        parts.append(f"rehearsed {receipt.rehearsed:,}")
    text = ", ".join(parts)
    return text if receipt.complete else f"{text}; the gateway was away itself, and whom it refused is not counted"


def receipt_line(what: str, duration_s: float | None, receipt: Receipt) -> str:
    """The same with what the run was, and how long it took: `restart (redeploy) 3.10 s, 12,304 requests, ...`."""
    return f"{what} {seconds(duration_s)}, {receipt_text(receipt)}"


def milliseconds(value_ms: float | None) -> str:
    """A latency: the gateway counts whole milliseconds."""
    if value_ms is None or value_ms >= 10:
        return seconds(None if value_ms is None else value_ms / 1000)
    return f"{value_ms:.0f} ms" if value_ms >= 1 else "under 1 ms"
