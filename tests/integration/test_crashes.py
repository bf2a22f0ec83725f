"""What happens after `kill -9` of each part, on real processes: the keeper, a worker, databases, the head."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
import redis

from daybreak.backends.process import procfs
from daybreak.keeper.control import client
from daybreak.services.service import Service
from tests.helpers import has_gone, until
from tests.integration.conftest import Sandbox
from tests.integration.starter import DATABASES, STARTER, starter_spec, visit, visits

pytestmark = pytest.mark.ray

SPEC = starter_spec(workers=1)
RAY = ("head", "worker-1")
APP_TIER = (*RAY, "serve")
RECOVERY_S = 180.0
# Within which a worker, or the applications, must have started.
DEADLINE_S = Service.start_timeout_s
# How Ray knows its processes when it ends them, beside `raylet` and `gcs_server`.
NAMES_OF_RAY = (
    *("monitor.py", "log_monitor.py", "dashboard.py", "dashboard_agent.py", "ray::DashboardAgent", "ray::"),
    *("runtime_env_agent", "default_worker.py", "setup_worker.py", "ray.util.client.server", "ray_process_reaper.py"),
)


def kill(pid: int) -> None:
    """kill -9, and wait until that process has gone."""
    process = psutil.Process(pid)
    process.kill()
    until(lambda: has_gone(process), what=f"pid {pid} has gone")


def waiting(sandbox: Sandbox) -> int:
    """How many alerts are on their way."""
    found = json.loads(sandbox.run("alerts", "--json").stdout)
    return sum(int(one["waiting"]) for one in found["destinations"])


def kill_keeper(sandbox: Sandbox) -> int:
    pid = int(sandbox.status()["keeper_pid"])
    kill(pid)
    return pid


def ray_stop_force(sandbox: Sandbox) -> None:
    """What `ray stop --force` does, to this cluster alone: the command itself ends every Ray on the machine."""
    for process in sandbox.processes():
        line = procfs.command_line(process.pid)
        if process.comm in ("raylet", "gcs_server") or any(word in line for word in NAMES_OF_RAY):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)


def only(names: Iterable[str], values: dict[str, Any]) -> dict[str, Any]:
    return {name: values[name] for name in names}


def is_back(sandbox: Sandbox, before: dict[str, Any], replaced: Iterable[str]) -> bool:
    """Everything is ready again, the named services as other instances."""
    status = sandbox.status()
    instances = {row["name"]: row["instance"] for row in status["services"]}
    return status["state"] == "ready" and all(instances[name] != before[name] for name in replaced)


def until_back(sandbox: Sandbox, before: dict[str, Any], *replaced: str) -> None:
    """Wait for the recovery; what was not to be replaced must be the same instance as before."""
    try:
        until(lambda: is_back(sandbox, before, replaced), what=f"{replaced} are back", timeout_s=RECOVERY_S)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{sandbox.run('status').stdout}\n{sandbox.run('logs').stdout[-6000:]}") from None
    after = sandbox.column("instance")
    untouched = [name for name in before if name not in replaced]
    assert only(untouched, after) == only(untouched, before)


def secret(sandbox: Sandbox, name: str) -> str:
    return (sandbox.root / "secrets" / name).read_text().strip()


def rows_in_postgres(sandbox: Sandbox) -> int:
    """Counted without the application."""
    with psycopg.connect(secret(sandbox, "database-url"), connect_timeout=5) as connection:
        found = connection.execute("select count(*) from visits").fetchone()
    assert found
    return int(found[0])


def recoveries(sandbox: Sandbox) -> list[dict[str, Any]]:
    history = json.loads(sandbox.run("perf", "history", "--limit", "100", "--json").stdout)
    return [run for run in history["runs"] if run["kind"] == "recovery"]


@pytest.fixture(scope="module")
def cluster(shared: Sandbox) -> Sandbox:
    """The module's cluster, up, with one row in the database."""
    shared.write(SPEC, app_py=STARTER.read_text())
    shared.run("up")
    assert visit(shared) == 1
    return shared


@pytest.fixture(autouse=True)
def whole(request: pytest.FixtureRequest) -> None:
    """Each test begins with everything ready and the application answering, whatever the one before has killed."""
    if "cluster" in request.fixturenames:
        sandbox: Sandbox = request.getfixturevalue("cluster")
        until(lambda: sandbox.status()["state"] == "ready", what="all is ready before the test", timeout_s=RECOVERY_S)
        until(lambda: sandbox.get("/visits"), what="the application answers before the test")


def test_services_go_on_without_a_keeper_and_the_next_command_starts_one(cluster: Sandbox) -> None:
    before, pids = cluster.column("instance"), cluster.column("pid")
    keeper = kill_keeper(cluster)
    assert all(psutil.pid_exists(pid) for pid in pids.values() if pid)
    assert visits(cluster) == 1
    status = cluster.status()
    assert status["keeper_pid"] != keeper
    assert status["state"] == "ready"
    assert (cluster.column("instance"), cluster.column("pid")) == (before, pids)
    assert status["urls"]["serve"] == cluster.url
    plan = json.loads(cluster.run("plan", "--json").stdout)
    assert (plan["stop"], plan["start"]) == ([], [])


@pytest.mark.one_ray
def test_what_died_while_no_keeper_was_there_is_brought_back_by_the_next(cluster: Sandbox) -> None:
    before = cluster.column("instance")
    redis_pid = cluster.services()["redis"]["pid"]
    kill_keeper(cluster)
    kill(redis_pid)
    assert visits(cluster) == 1
    cluster.run("status")
    until_back(cluster, before, "redis")


@pytest.mark.one_ray
def test_an_adopted_service_is_supervised_like_any_other(cluster: Sandbox) -> None:
    kill_keeper(cluster)
    before = cluster.column("instance")
    kill(cluster.services()["redis"]["pid"])
    until_back(cluster, before, "redis")


def test_a_worker_whose_raylet_is_killed_is_started_again(cluster: Sandbox) -> None:
    before, restarts = cluster.column("instance"), cluster.services()["worker-1"]["restarts"]
    pid = cluster.services()["worker-1"]["pid"]
    kill(cluster.pid_of("worker-1", "raylet"))
    until_back(cluster, before, "worker-1")
    row = cluster.services()["worker-1"]
    assert row["pid"] != pid
    assert row["restarts"] > restarts
    script = "import ray; ray.init(log_to_driver=False); print('alive', sum(n['Alive'] for n in ray.nodes()))"
    # Ray itself takes a few seconds to count the dead node out.
    run = ("run", "--", "python", "-c", script)
    until(lambda: "alive 2" in cluster.run(*run).stdout, what="the head and one worker")
    # Where the only replica was on that node, Serve has begun another one since.
    until(lambda: visits(cluster) == 1, what="the application answers again")


@pytest.mark.one_ray
def test_postgres_is_back_after_kill_with_its_rows(cluster: Sandbox) -> None:
    before, count = cluster.column("instance"), visit(cluster)
    # The service's main process may be a helper that dropped root's rights: the postmaster is found by its file.
    postmaster = int((cluster.root / "data/postgres/postmaster.pid").read_text().split()[0])
    kill(postmaster)
    until_back(cluster, before, "postgres")
    assert rows_in_postgres(cluster) == count
    until(lambda: visits(cluster) == count, what="the application answers again")
    assert visit(cluster) == count + 1


@pytest.mark.one_ray
def test_redis_is_back_after_kill(cluster: Sandbox) -> None:
    before = cluster.column("instance")
    client = redis.Redis.from_url(secret(cluster, "redis-url"))
    client.set("kept", "yes")
    client.close()
    kill(cluster.services()["redis"]["pid"])
    until_back(cluster, before, "redis")
    client = redis.Redis.from_url(secret(cluster, "redis-url"))
    assert client.ping()
    client.close()


def test_a_replica_that_is_stopped_shows_at_once_and_passes(cluster: Sandbox) -> None:
    before = cluster.column("instance")
    until(lambda: cluster.status()["serving"]["applications"], what="Serve tells of its applications")
    (application,) = cluster.status()["serving"]["applications"]
    replica = application["deployments"][0]["replicas"][0]["pid"]
    os.kill(replica, signal.SIGSTOP)

    def shows() -> bool:
        """Where Serve tells it late, it is seen before that its door does not answer."""
        row = cluster.services()["serve"]
        return row["health"] == "unhealthy" and f"pid {replica} is stopped by a signal" in row["reason"]

    try:
        until(shows, what="it shows")
        assert cluster.status()["state"] == "degraded"
        waited = cluster.run("wait", "serve", "--timeout", "5s", code=3)
        assert "serve is unhealthy: " in waited.stderr
    finally:
        os.kill(replica, signal.SIGCONT)
    until(lambda: cluster.status()["state"] == "ready", what="it has passed")
    assert cluster.column("instance") == before


def test_a_gcs_that_is_stopped_shows_although_the_raylet_is_called_well(cluster: Sandbox) -> None:
    before = cluster.column("instance")
    gcs = cluster.pid_of("head", "gcs_server")
    os.kill(gcs, signal.SIGSTOP)
    try:
        words = f"pid {gcs} (gcs_server) is stopped by a signal"
        until(lambda: words in cluster.services()["head"]["reason"], what="it shows")
        assert cluster.services()["head"]["health"] == "failing"
    finally:
        os.kill(gcs, signal.SIGCONT)
    until(lambda: cluster.status()["state"] == "ready", what="it has passed")
    assert cluster.column("instance") == before


def test_the_app_tier_comes_back_after_the_gcs_was_killed(cluster: Sandbox) -> None:
    before, pids, count = cluster.column("instance"), cluster.column("pid"), visit(cluster)
    kill(cluster.pid_of("head", "gcs_server"))
    until_back(cluster, before, *APP_TIER)
    assert only(DATABASES, cluster.column("pid")) == only(DATABASES, pids)
    assert visits(cluster) == count
    assert visit(cluster) == count + 1


@pytest.mark.slow
def test_the_app_tier_comes_back_after_the_heads_main_process_was_killed(cluster: Sandbox) -> None:
    before, pids, count = cluster.column("instance"), cluster.column("pid"), visit(cluster)
    kill(pids["head"])
    until_back(cluster, before, *APP_TIER)
    assert only(DATABASES, cluster.column("pid")) == only(DATABASES, pids)
    assert visits(cluster) == count


@pytest.mark.slow
def test_somebodys_ray_stop_costs_no_deadline_also_where_it_ends_what_is_being_brought_back(cluster: Sandbox) -> None:
    before, earlier = cluster.column("instance"), len(recoveries(cluster))
    ray_stop_force(cluster)

    def gcs_is_back() -> bool:
        is_new = cluster.column("instance")["head"] not in (None, before["head"])
        return is_new and any(process.comm == "gcs_server" for process in cluster.instance_processes("head"))

    until(gcs_is_back, what="the head is being brought back")
    ray_stop_force(cluster)
    until_back(cluster, before, *APP_TIER)
    until(lambda: cluster.get("/visits"), what="the application answers")

    def since() -> list[float | None]:
        runs = recoveries(cluster)
        return [run["duration_s"] for run in runs[: len(runs) - earlier]]

    # The last one ends a moment after what it has brought back is ready.
    until(lambda: None not in since(), what="all recoveries have ended")
    # Nobody has waited for what hung on the head that died: that would have taken until its deadline.
    assert max(lasted for lasted in since() if lasted is not None) < DEADLINE_S / 2


def test_a_head_that_died_while_no_keeper_was_there_is_brought_back(cluster: Sandbox) -> None:
    before, count = cluster.column("instance"), visits(cluster)
    gcs = cluster.pid_of("head", "gcs_server")
    kill_keeper(cluster)
    kill(gcs)
    # The status answers at once, while the recovery is going on.
    assert cluster.status()["state"] in ("starting", "degraded", "ready")
    until_back(cluster, before, *APP_TIER)
    assert visits(cluster) == count


@pytest.mark.one_ray
def test_restart_and_up_after_crashes_leave_the_databases_alone(cluster: Sandbox) -> None:
    before, count = cluster.column("instance"), visits(cluster)
    cluster.run("up")
    assert cluster.column("instance") == before
    cluster.run("restart", "--in-place")
    after = cluster.column("instance")
    assert only(DATABASES, after) == only(DATABASES, before)
    assert all(after[name] != before[name] for name in APP_TIER)
    assert visits(cluster) == count


@pytest.mark.one_ray
def test_an_up_while_something_is_being_recovered_waits_and_ends_ready(cluster: Sandbox) -> None:
    before = cluster.column("instance")
    kill(cluster.services()["redis"]["pid"])
    cluster.run("up")
    until_back(cluster, before, "redis")


@pytest.mark.one_ray
def test_a_service_that_always_ends_is_backed_off_and_one_that_never_restarts_is_left_alone(cluster: Sandbox) -> None:
    before = cluster.column("instance")
    services = """
services:
  looping: {command: [/bin/sh, -c, "echo looping; exit 3"]}
  single: {command: [/bin/sh, -c, "echo single >> single.txt; exit 1"], restart: never}
  migrate: {command: [/bin/sh, -c, "echo migrated >> migrated.txt"], restart: never}
alerts: {command: [/bin/sh, -c, "tr -d '\\n' >> alerts.jsonl; echo >> alerts.jsonl"]}
"""
    cluster.write(SPEC + services)
    cluster.run("up")
    assert "the command /bin/sh: arrived after " in cluster.run("alerts", "--test").stdout
    seen: dict[str, int] = {}

    def backs_off() -> bool:
        row = cluster.services()["looping"]
        seen[row["state"]] = max(seen.get(row["state"], 0), int(row["restarts"]))
        return max(seen.values()) >= 3 and bool({"backing-off", "crashed"} & seen.keys())

    until(backs_off, what="the back-off is visible")
    rows = cluster.services()
    assert rows["single"]["state"] == "crashed"
    assert rows["single"]["restarts"] == 0
    assert rows["migrate"]["state"] == "completed"
    cluster.run("wait", "migrate")

    def told() -> list[tuple[str, str, str]]:
        lines = (cluster.folder / "alerts.jsonl").read_text().splitlines()
        return [(one["status"], one["what"], one["service"]) for one in map(json.loads, lines)]

    loop = ("firing", "crash-loop", "looping")
    until(lambda: loop in told(), what="somebody is told of it")
    # Until the command has ended, the alert has not arrived, and another keeper would tell it again.
    until(lambda: not waiting(cluster), what="the keeper knows that it has arrived")
    until(lambda: cluster.status()["state"] == "degraded", what="the cluster counts as degraded")
    assert cluster.get("/health")
    assert only(before, cluster.column("instance")) == before
    # A new keeper does not start it either.
    kill_keeper(cluster)
    restarts = cluster.services()["looping"]["restarts"]
    until(lambda: cluster.services()["looping"]["restarts"] > restarts, what="the new keeper restarts the other one")
    assert (cluster.folder / "single.txt").read_text() == "single\n"
    assert cluster.services()["migrate"]["state"] == "completed"
    assert (cluster.folder / "migrated.txt").read_text() == "migrated\n"
    assert told().count(loop) == 1, "the new keeper tells nobody a second time"
    assert "crash-loop" in cluster.run("alerts").stdout
    cluster.write(SPEC)
    cluster.run("up")
    assert cluster.column("instance") == before


@pytest.mark.one_ray
def test_every_recovery_was_measured(cluster: Sandbox) -> None:
    found = recoveries(cluster)
    assert len(found) >= 5
    assert any(run["outcome"] == "ok" for run in found)
    before = cluster.column("instance")
    kill(cluster.pid_of("worker-1", "raylet"))
    until_back(cluster, before, "worker-1")
    # One crash is one run: nothing is recorded for looking and finding nothing to do.
    until(lambda: len(recoveries(cluster)) > len(found), what="the recovery is in the history")
    assert len(recoveries(cluster)) == len(found) + 1


def test_after_a_power_cut_what_a_unit_runs_brings_all_back_and_its_end_leaves_nothing(
    cluster: Sandbox, tmp_path: Path
) -> None:
    count = visit(cluster)
    unit = cluster.run("install", "--print").stdout
    start = next(line for line in unit.splitlines() if line.startswith("ExecStart=")).partition("=")[2]
    # Everything at once, which is the keeper first: it would begin to bring the rest back.
    for pid in [int(cluster.status()["keeper_pid"]), *(process.pid for process in cluster.processes())]:
        with contextlib.suppress(ProcessLookupError):  # some end with those that they belong to
            os.kill(pid, signal.SIGKILL)
    until(lambda: not cluster.processes(), what="all have gone")
    shutil.rmtree(cluster.paths.runtime)  # what lies in /tmp does not outlive a boot
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd, open(tmp_path / "log", "w") as log:
        systemd.bind(f"\0{tmp_path}")
        systemd.settimeout(RECOVERY_S)
        environment = cluster.environment() | {"NOTIFY_SOCKET": f"@{tmp_path}"}
        words = shlex.split(start)
        with subprocess.Popen(words, cwd=cluster.folder, env=environment, stdout=log, stderr=log) as unit_main:
            while b"READY=1" not in systemd.recv(4096):
                assert unit_main.poll() is None, (tmp_path / "log").read_text()
            assert visits(cluster) == rows_in_postgres(cluster) == count
            keeper = kill_keeper(cluster)
            until(lambda: client.answers(cluster.paths), what="another keeper, although nobody has typed a command")
            assert cluster.status()["keeper_pid"] != keeper
            unit_main.terminate()
            assert unit_main.wait(RECOVERY_S) == 0, (tmp_path / "log").read_text()
    assert cluster.processes() == []
    assert not client.answers(cluster.paths)


@pytest.mark.one_ray
def test_what_a_keeper_killed_in_the_middle_of_up_has_begun_is_finished(sandbox: Sandbox) -> None:
    sandbox.write(SPEC, app_py=STARTER.read_text())
    command = sandbox.popen("up")
    until(lambda: list(sandbox.root.glob("services/head.*.json")), what="the head is starting")
    os.kill(int((sandbox.root / "keeper.lock").read_text()), signal.SIGKILL)
    _, errors = command.communicate(timeout=RECOVERY_S)
    assert command.returncode == 0, errors
    assert "keeper went away" in errors
    assert "Traceback" not in errors
    status = sandbox.status()
    assert status["state"] == "ready"
    assert visit(sandbox) == 1
    names = {
        procfs.environment(process.pid, ("DAYBREAK_SERVICE",)).get("DAYBREAK_SERVICE")
        for process in sandbox.processes()
    }
    assert names >= set(RAY) | set(DATABASES)
    sandbox.run("down")
    assert sandbox.processes() == []
