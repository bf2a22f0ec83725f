"""Alert rules for what hurts. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

FULL = 0.9
SLOWER = 1.5
STARTS_TO_COMPARE = 5
RECENT_S = 900
CRASHES = 3
# A replica may take minutes to load its model.
MISSING_FOR = "5m"

# Not `increase`, which estimates: three crashes would be 3.1.
_CRASHED = "daybreak_service_crashes_total"
_LAST = "daybreak_run_last_first_response_seconds"
_WHEN = "daybreak_run_last_first_response_timestamp_seconds"
_FIRST = "daybreak_run_first_response_duration_seconds"
# The mean of all but the last one. No range over time: while the cluster was down nothing was measured.
_BEFORE = f"({_FIRST}_sum - {_LAST}) / ({_FIRST}_count - 1)"
_USED = "1 - daybreak_filesystem_free_bytes{%s} / daybreak_filesystem_size_bytes{%s}"
_DISK, _MEMORY = 'place!="shm"', 'place="shm"'


@dataclass(frozen=True)
class Rule:
    """One alert: what Prometheus evaluates, for how long it must be true (None: as long as the spec says), how grave it
    is, what is wrong, and what to do."""

    name: str
    expr: str
    after: str | None
    severity: str
    summary: str
    remedy: str

    def to_json(self, after: str) -> dict[str, Any]:
        """As the rule file has it."""
        return {
            "alert": self.name,
            "expr": self.expr,
            "for": after if self.after is None else self.after,
            "labels": {"severity": self.severity},
            "annotations": {"summary": self.summary, "remedy": self.remedy},
        }


RULES = (
    Rule(
        "KeeperDown",
        'up{job="daybreak"} == 0',
        None,
        "critical",
        "the keeper does not answer, so nothing that crashes is restarted",
        "any command starts it again: daybreak status",
    ),
    Rule(
        "HeadDown",
        'daybreak_service_ready{service="head"} == 0',
        None,
        "critical",
        "Ray's head is not ready",
        "daybreak doctor; daybreak logs head --level warning",
    ),
    Rule(
        "ServeUnhealthy",
        'daybreak_service_healthy{service="serve"} == 0 or on () daybreak_service_ready{service="serve"} == 0',
        None,
        "critical",
        "the applications do not answer",
        "daybreak doctor serve; daybreak logs serve --level warning",
    ),
    Rule(
        "ReplicasMissing",
        "daybreak_deployment_replicas_running < daybreak_deployment_replicas_wanted",
        MISSING_FOR,
        "warning",
        "{{ $labels.deployment }} of {{ $labels.application }} has fewer replicas than it is to have",
        "daybreak doctor serve; daybreak status",
    ),
    Rule(
        "DatabaseDown",
        "daybreak_database_up == 0",
        None,
        "critical",
        "{{ $labels.database }} is not ready",
        "daybreak logs {{ $labels.database }}",
    ),
    Rule(
        "CrashLoop",
        f"{_CRASHED} - min_over_time({_CRASHED}[10m]) > {CRASHES}",
        "0s",
        "critical",
        "{{ $labels.service }} has crashed more than three times in ten minutes",
        "daybreak logs {{ $labels.service }}",
    ),
    Rule(
        "StartSlow",
        f"{_LAST} > {SLOWER} * {_BEFORE} and {_FIRST}_count > {STARTS_TO_COMPARE} and time() - {_WHEN} < {RECENT_S}",
        "0s",
        "warning",
        "the last {{ $labels.kind }} ({{ $labels.start }}) took {{ $value | humanizeDuration }}, "
        "half as long again as those before",
        "daybreak doctor slow-start; daybreak perf stats",
    ),
    Rule(
        "DiskNearlyFull",
        f"{_USED % (_DISK, _DISK)} > {FULL}",
        None,
        "warning",
        "the disk of {{ $labels.place }} is {{ $value | humanizePercentage }} full; Ray refuses work at 95%",
        "daybreak doctor disk",
    ),
    Rule(
        "SharedMemoryNearlyFull",
        f"{_USED % (_MEMORY, _MEMORY)} > {FULL}",
        None,
        "warning",
        "/dev/shm is {{ $value | humanizePercentage }} full; Ray's objects live there",
        "daybreak doctor shm; smaller object_store in the spec",
    ),
)


def rules(after: str = "30s") -> dict[str, Any]:
    """The rule file. `after` is how long something must be wrong, where it may pass by itself."""
    return {"groups": [{"name": "daybreak", "rules": [rule.to_json(after) for rule in RULES]}]}
