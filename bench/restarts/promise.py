"""What a restart costs those who ask, in one sentence. Pure."""

from __future__ import annotations

from bench.restarts.code import Change
from bench.restarts.events import STOCK_RESTART, Way, restart
from bench.restarts.trial import RATE
from bench.results import Report

WAYS = tuple(restart(way, Change.NEW).name for way in Way)


def promise(report: Report) -> str:
    """Failures over all runs of the restarts with new code, and of Ray's commands; empty where none was measured."""
    ways = [name for name in WAYS if _total(report, name, "requests_count")]
    if not ways:
        return ""
    failed = sum(_total(report, name, "failed_count") for name in ways)
    requests = sum(_total(report, name, "requests_count") for name in ways)
    told = f"Restarted with new code under {RATE:g} requests a second ({', '.join(ways)}), it "
    told += f"lost {failed:,} of {requests:,} requests"
    if stock := _total(report, STOCK_RESTART.name, "requests_count"):
        told += f"; `ray stop`, `ray start` and `serve run` {_total(report, STOCK_RESTART.name, 'failed_count'):,} "
        told += f"of {stock:,}"
    return f"{told} ([how it was measured](docs/performance.md#requests-during-a-restart))."


def _total(report: Report, name: str, measure: str) -> int:
    line = next((line for line in report.lines if line.name == name), None)
    return report.total(line, measure) if line else 0
