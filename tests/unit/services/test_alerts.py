"""Every alert fires where it must, and only there: asked of Prometheus' own promtool."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from daybreak.services.watching.alerts import rules

PROMTOOL = shutil.which("promtool")
pytestmark = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (Debian: prometheus)")
FIRST = "daybreak_run_first_response_duration_seconds"
LAST = "daybreak_run_last_first_response"
OF_A_START = '{kind="startup",start="warm"}'
OF_ANOTHER = '{kind="startup",start="cold"}'
OF_A_RESTART = '{kind="restart",start="warm"}'
RUNNING, WANTED = "daybreak_deployment_replicas_running", "daybreak_deployment_replicas_wanted"
OF_THE_APP = '{application="default",deployment="App"}'
FREE, SIZE = "daybreak_filesystem_free_bytes", "daybreak_filesystem_size_bytes"

# The name, the series every 15 s, when to look, and the labels of what fires besides the name and the severity.
FIRES: dict[str, tuple[dict[str, str], str, dict[str, str]]] = {
    "KeeperDown": ({'up{job="daybreak"}': "1 0x10"}, "1m", {"job": "daybreak"}),
    "HeadDown": (
        {'daybreak_service_ready{service="head",tier="app"}': "1 0x10"},
        "1m",
        {"service": "head", "tier": "app"},
    ),
    "ServeUnhealthy": (
        {'daybreak_service_healthy{service="serve",check="http"}': "1 0x10"},
        "1m",
        {"service": "serve", "check": "http"},
    ),
    "ReplicasMissing": (
        {f"{RUNNING}{OF_THE_APP}": "2 1x30", f"{WANTED}{OF_THE_APP}": "2x30"},
        "6m",
        {"application": "default", "deployment": "App"},
    ),
    "DatabaseDown": ({'daybreak_database_up{database="postgres"}': "1 0x10"}, "1m", {"database": "postgres"}),
    "CrashLoop": (
        {'daybreak_service_crashes_total{service="worker-1"}': "0 0 4x10"},
        "1m",
        {"service": "worker-1"},
    ),
    # Five starts of 4 s; then, after an hour of nothing, one of 10 s.
    "StartSlow": (
        {
            f"{FIRST}_sum{OF_A_START}": "20 _x240 30x20",
            f"{FIRST}_count{OF_A_START}": "5 _x240 6x20",
            f"{LAST}_seconds{OF_A_START}": "4 _x240 10x20",
            f"{LAST}_timestamp_seconds{OF_A_START}": "0 _x240 3610x20",
        },
        "62m",
        {"kind": "startup", "start": "warm"},
    ),
    "DiskNearlyFull": (
        {f'{FREE}{{place="state"}}': "9x20", f'{SIZE}{{place="state"}}': "100x20"},
        "2m",
        {"place": "state"},
    ),
    "SharedMemoryNearlyFull": (
        {f'{FREE}{{place="shm"}}': "9x20", f'{SIZE}{{place="shm"}}': "100x20"},
        "2m",
        {"place": "shm"},
    ),
}
# The same series when all is well.
QUIET: dict[str, tuple[dict[str, str], str]] = {
    "KeeperDown": ({'up{job="daybreak"}': "1 0 1x10"}, "1m"),
    "HeadDown": ({'daybreak_service_ready{service="head",tier="app"}': "1 0 1x10"}, "1m"),
    "ServeUnhealthy": (
        {
            'daybreak_service_healthy{service="serve",check="http"}': "1x10",
            'daybreak_service_ready{service="serve",tier="app"}': "1x10",
        },
        "1m",
    ),
    "ReplicasMissing": ({f"{RUNNING}{OF_THE_APP}": "1x10 2x30", f"{WANTED}{OF_THE_APP}": "2x40"}, "6m"),
    "DatabaseDown": ({'daybreak_database_up{database="postgres"}': "1x10"}, "1m"),
    "CrashLoop": ({'daybreak_service_crashes_total{service="worker-1"}': "7 8 10x40"}, "3m"),
    # Nearly as fast as usual; slow, but with too few before it; slow, but long ago.
    "StartSlow": (
        {
            f"{FIRST}_sum{OF_A_START}": "25.5x400",
            f"{FIRST}_count{OF_A_START}": "6x400",
            f"{LAST}_seconds{OF_A_START}": "5.5x400",
            f"{LAST}_timestamp_seconds{OF_A_START}": "3600x400",
            f"{FIRST}_sum{OF_ANOTHER}": "26x400",
            f"{FIRST}_count{OF_ANOTHER}": "5x400",
            f"{LAST}_seconds{OF_ANOTHER}": "10x400",
            f"{LAST}_timestamp_seconds{OF_ANOTHER}": "3600x400",
            f"{FIRST}_sum{OF_A_RESTART}": "30x400",
            f"{FIRST}_count{OF_A_RESTART}": "6x400",
            f"{LAST}_seconds{OF_A_RESTART}": "10x400",
            f"{LAST}_timestamp_seconds{OF_A_RESTART}": "60x400",
        },
        "62m",
    ),
    "DiskNearlyFull": ({f'{FREE}{{place="state"}}': "11x20", f'{SIZE}{{place="state"}}': "100x20"}, "2m"),
    "SharedMemoryNearlyFull": ({f'{FREE}{{place="shm"}}': "11x20", f'{SIZE}{{place="shm"}}': "100x20"}, "2m"),
}
NAMES = [rule["alert"] for rule in rules()["groups"][0]["rules"]]


def promtool(*arguments: str) -> None:
    assert PROMTOOL
    done = subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def ask(folder: Path, name: str, series: dict[str, str], at: str, expected: list[dict[str, Any]]) -> None:
    (folder / "alerts.yml").write_text(json.dumps(rules()))
    test = {
        "interval": "15s",
        "input_series": [{"series": text, "values": values} for text, values in series.items()],
        "alert_rule_test": [{"eval_time": at, "alertname": name, "exp_alerts": expected}],
    }
    document = {"rule_files": ["alerts.yml"], "evaluation_interval": "15s", "tests": [test]}
    (folder / "test.yml").write_text(json.dumps(document))
    promtool("test", "rules", str(folder / "test.yml"))


def test_the_rules_are_valid(tmp_path: Path) -> None:
    (tmp_path / "alerts.yml").write_text(json.dumps(rules()))
    promtool("check", "rules", str(tmp_path / "alerts.yml"))


def test_every_alert_is_tried_both_ways() -> None:
    assert set(NAMES) == set(FIRES) == set(QUIET)


@pytest.mark.parametrize("name", NAMES)
def test_it_fires(name: str, tmp_path: Path) -> None:
    series, at, labels = FIRES[name]
    rule = next(rule for rule in rules()["groups"][0]["rules"] if rule["alert"] == name)
    texts = {key: filled(text, labels, series, name) for key, text in rule["annotations"].items()}
    ask(tmp_path, name, series, at, [{"exp_labels": {**rule["labels"], **labels}, "exp_annotations": texts}])


@pytest.mark.parametrize("name", NAMES)
def test_it_is_silent_where_all_is_well(name: str, tmp_path: Path) -> None:
    series, at = QUIET[name]
    ask(tmp_path, name, series, at, [])


def filled(text: str, labels: dict[str, str], series: dict[str, str], name: str) -> str:
    """A summary as it is shown."""
    for label, value in labels.items():
        text = text.replace(f"{{{{ $labels.{label} }}}}", value)
    if name == "StartSlow":
        return text.replace("{{ $value | humanizeDuration }}", "10s")
    return text.replace("{{ $value | humanizePercentage }}", "91%")
