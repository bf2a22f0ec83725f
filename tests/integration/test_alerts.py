"""Alerts that a real cluster fires: a sick application, a killed head, a hanging database, a crash loop."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from daybreak.timeline.event import Event, Kind, Outcome, RunKind
from daybreak.timeline.store import Store
from tests.helpers import until
from tests.integration.conftest import APP, Sandbox
from tests.integration.test_prometheus import series
from tests.unit.extras.doctor.conftest import mounted

pytestmark = [
    pytest.mark.ray,
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed"),
]
# What would take minutes with the defaults takes seconds with these.
SPEC = """
workers: {count: 0}
dashboard: false
serve:
  applications: [{import: "app:main"}]
  health: /health
databases:
  postgres:
services:
  frail: {command: [sh, -c, "while ! test -e CRASH; do sleep 0.1; done; exit 1"]}
health: {interval: 500ms, timeout: 1s, start_period: 1s, retries: 60}
prometheus: {interval: 500ms, alert_after: 1s}
grafana: false
"""
EARLIER_STARTS = 5
MIB = 2**20
ROOT = os.geteuid() == 0
# The keeper and all that it starts see another /dev/shm than the rest of the machine.
SMALL_SHM = 'mount -t tmpfs -o size=400m tmpfs /dev/shm && exec "$@"'
only_root = pytest.mark.skipif(not ROOT, reason="only root can mount a small file system")


@pytest.fixture(scope="module")
def cluster(shared: Sandbox) -> Iterator[Sandbox]:
    """A cluster with a history of faster starts; where a test may mount them, with a disk and a /dev/shm of its own."""
    with ExitStack() as held:
        if ROOT:
            held.enter_context(mounted(shared.home, "size=400m"))
            shared.inside = ("unshare", "--mount", "sh", "-c", SMALL_SHM, "sh")
        remember(shared.root / "timeline.db")
        shared.write(SPEC, app_py=APP)
        shared.run("up")
        shared.inside = ()
        yield shared
        shared.run("down")


def remember(timeline: Path) -> None:
    """Starts that took no time at all."""
    timeline.parent.mkdir(parents=True)
    with Store(timeline) as store:
        for _ in range(EARLIER_STARTS):
            run = store.begin_run(
                RunKind.STARTUP, workers=0, warm=False, versions={}, machine={}, spec_digest="", wall=time.time()
            )
            began = {"run_kind": str(RunKind.STARTUP), "workers": 0, "warm": False}
            store.add(Event(Kind.RUN_BEGAN, 0.0, time.time(), None, run, began))
            store.add(Event(Kind.READY, 0.1, time.time(), "serve", run, {"after_s": 0.1}))
            store.add(Event(Kind.RUN_ENDED, 0.1, time.time(), None, run, {"outcome": "ok", "duration_s": 0.1}))
            store.end_run(run, Outcome.OK, 0.1, 0.1, 0.1)


def fires(sandbox: Sandbox, alert: str, **labels: str) -> None:
    """Wait until this alert has fired, however short."""
    chosen = ",".join(
        f'{key}="{value}"' for key, value in {"alertname": alert, "alertstate": "firing", **labels}.items()
    )
    until(lambda: series(sandbox, f"max_over_time(ALERTS{{{chosen}}}[5m])"), what=f"{alert} fires", timeout_s=60)


def firing(sandbox: Sandbox) -> set[str]:
    """The alerts that fire now."""
    return {row["metric"]["alertname"] for row in series(sandbox, 'ALERTS{alertstate="firing"}')}


def test_a_start_slower_than_its_history_and_nothing_else(cluster: Sandbox) -> None:
    fires(cluster, "StartSlow", kind="startup", start="cold")
    # A keeper that is late with three answers, as on a machine that is busy, counts as down until the next one.
    until(lambda: firing(cluster) == {"StartSlow"}, what="that one fires alone")
    assert "warning: slow-start: the last startup" in cluster.run("doctor", "slow-start").stdout


def test_an_application_that_says_it_is_unwell(cluster: Sandbox) -> None:
    sick = cluster.folder / "sick"
    sick.touch()
    fires(cluster, "ServeUnhealthy", service="serve")
    sick.unlink()
    until(lambda: "ServeUnhealthy" not in firing(cluster), what="it is well again")


def test_a_database_that_hangs(cluster: Sandbox) -> None:
    processes = cluster.instance_processes("postgres")
    for process in processes:
        with contextlib.suppress(ProcessLookupError):  # one of PostgreSQL's that does its work and ends
            os.kill(process.pid, signal.SIGSTOP)
    try:
        fires(cluster, "DatabaseDown", database="postgres")
    finally:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGCONT)


def test_a_service_that_crashes_again_and_again(cluster: Sandbox) -> None:
    crash = cluster.folder / "CRASH"
    crash.touch()
    fires(cluster, "CrashLoop", service="frail")
    crash.unlink()


def test_a_head_that_is_killed(cluster: Sandbox) -> None:
    os.kill(cluster.services()["head"]["pid"], signal.SIGKILL)
    fires(cluster, "HeadDown", service="head")


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """A file system of which 20 MiB are left."""
    big = folder / "big"
    with open(big, "wb") as file:
        found = os.statvfs(folder)
        os.posix_fallocate(file.fileno(), 0, found.f_bavail * found.f_frsize - 20 * MIB)
    try:
        yield
    finally:
        big.unlink()


@only_root
def test_a_disk_that_is_nearly_full(cluster: Sandbox) -> None:
    with filled(cluster.home):
        fires(cluster, "DiskNearlyFull", place="state")


@only_root
def test_shared_memory_that_is_nearly_full(cluster: Sandbox) -> None:
    with filled(Path(f"/proc/{cluster.status()['keeper_pid']}/root/dev/shm")):
        fires(cluster, "SharedMemoryNearlyFull", place="shm")


def test_a_keeper_that_is_killed(cluster: Sandbox) -> None:
    os.kill(cluster.status()["keeper_pid"], signal.SIGKILL)
    fires(cluster, "KeeperDown", job="daybreak")
    cluster.run("status")
    until(lambda: "KeeperDown" not in firing(cluster), what="the new keeper answers")
