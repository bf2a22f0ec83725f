"""What `wrk --latency` prints, as numbers. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bench.commands import RunFailed

UNITS_MS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}
SOCKET_ERRORS = re.compile(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)")
BAD_ANSWERS = re.compile(r"Non-2xx or 3xx responses: (\d+)")
RATE = re.compile(r"Requests/sec:\s+([\d.]+)")


@dataclass(frozen=True)
class Load:
    """Requests in a second, milliseconds of latency, and how many requests failed in any way."""

    requests_per_s: float
    p50_ms: float
    p99_ms: float
    errors: int

    @property
    def values(self) -> dict[str, float]:
        return {"requests_per_s": self.requests_per_s, "p50_ms": self.p50_ms, "p99_ms": self.p99_ms}


def parse(output: str) -> Load:
    """Raises RunFailed where it is not wrk's output."""
    rate = RATE.search(output)
    if not rate:
        raise RunFailed(f"wrk told no rate: {output[-500:]}")
    sockets, answers = SOCKET_ERRORS.search(output), BAD_ANSWERS.search(output)
    errors = sum(map(int, sockets.groups())) if sockets else 0
    errors += int(answers[1]) if answers else 0
    return Load(float(rate[1]), _percentile_ms(output, 50), _percentile_ms(output, 99), errors)


def _percentile_ms(output: str, percent: int) -> float:
    found = re.search(rf"^\s+{percent}%\s+([\d.]+)(us|ms|s|m)$", output, re.MULTILINE)
    if not found:
        raise RunFailed(f"wrk told no {percent}% of latency: {output[-500:]}")
    return round(float(found[1]) * UNITS_MS[found[2]], 3)
