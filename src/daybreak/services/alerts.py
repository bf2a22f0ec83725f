"""Alert rules for what hurts. Pure."""

from __future__ import annotations

from typing import Any

FULL = 0.9
SLOWER = 1.5
STARTS_TO_COMPARE = 5
CRASHES = 3

_FIRST = "daybreak_run_first_response_duration_seconds"
_RECENT = f"increase({_FIRST}_sum[15m]) / increase({_FIRST}_count[15m])"
_BEFORE = f"({_FIRST}_sum offset 15m) / ({_FIRST}_count offset 15m)"
_USED = "1 - daybreak_filesystem_free_bytes{%s} / daybreak_filesystem_size_bytes{%s}"


def rules() -> dict[str, Any]:
    """The rule file."""
    disk, memory = 'place!="shm"', 'place="shm"'
    return {
        "groups": [
            {
                "name": "daybreak",
                "rules": [
                    _rule(
                        "KeeperDown",
                        'up{job="daybreak"} == 0',
                        "30s",
                        "critical",
                        "the keeper does not answer, so nothing that crashes is restarted",
                        "any command starts it again: daybreak status",
                    ),
                    _rule(
                        "HeadDown",
                        'daybreak_service_ready{service="head"} == 0',
                        "30s",
                        "critical",
                        "Ray's head is not ready",
                        "daybreak doctor; daybreak logs head --level warning",
                    ),
                    _rule(
                        "ServeUnhealthy",
                        'daybreak_service_healthy{service="serve"} == 0 '
                        'or on () daybreak_service_ready{service="serve"} == 0',
                        "30s",
                        "critical",
                        "the applications do not answer",
                        "daybreak doctor serve; daybreak logs serve --level warning",
                    ),
                    _rule(
                        "DatabaseDown",
                        "daybreak_database_up == 0",
                        "30s",
                        "critical",
                        "{{ $labels.database }} is not ready",
                        "daybreak logs {{ $labels.database }}",
                    ),
                    _rule(
                        "CrashLoop",
                        f"increase(daybreak_service_crashes_total[10m]) > {CRASHES}",
                        "0s",
                        "critical",
                        "{{ $labels.service }} has crashed more than three times in ten minutes",
                        "daybreak logs {{ $labels.service }}",
                    ),
                    _rule(
                        "StartSlow",
                        f"({_RECENT}) > {SLOWER} * ({_BEFORE}) and ({_FIRST}_count offset 15m) >= {STARTS_TO_COMPARE}",
                        "0s",
                        "warning",
                        "the last {{ $labels.kind }} ({{ $labels.start }}) took {{ $value | humanizeDuration }}, "
                        "half as long again as those before",
                        "daybreak doctor slow-start; daybreak perf stats",
                    ),
                    _rule(
                        "DiskNearlyFull",
                        f"{_USED % (disk, disk)} > {FULL}",
                        "1m",
                        "warning",
                        "the disk of {{ $labels.place }} is {{ $value | humanizePercentage }} full; "
                        "Ray refuses work at 95%",
                        "daybreak doctor disk",
                    ),
                    _rule(
                        "SharedMemoryNearlyFull",
                        f"{_USED % (memory, memory)} > {FULL}",
                        "1m",
                        "warning",
                        "/dev/shm is {{ $value | humanizePercentage }} full; Ray's objects live there",
                        "daybreak doctor shm; smaller object_store in the spec",
                    ),
                ],
            }
        ]
    }


def _rule(name: str, expr: str, after: str, severity: str, summary: str, remedy: str) -> dict[str, Any]:
    return {
        "alert": name,
        "expr": expr,
        "for": after,
        "labels": {"severity": severity},
        "annotations": {"summary": summary, "remedy": remedy},
    }
