"""The main story on real Ray: up, requests, restart with rows kept, scale, down. One cluster, tests in order."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest
import redis as redis_client

from tests.helpers import until
from tests.integration.conftest import GATEWAY, Sandbox
from tests.integration.starter import DATABASES, STARTER, starter_spec, visit, visits

pytestmark = pytest.mark.ray


def test_up_brings_everything_up(shared: Sandbox) -> None:
    shared.write(starter_spec(workers=2), app_py=STARTER.read_text())
    done = shared.run("up")
    assert f"serve        {shared.url}" in done.stdout
    status = shared.status()
    assert status["state"] == "ready"
    assert list(shared.services()) == ["warm", *DATABASES, *GATEWAY, "head", "worker-1", "worker-2", "serve"]
    assert shared.get("/health")
    assert visit(shared) == 1
    assert visits(shared) == 1


def test_a_second_up_touches_nothing(shared: Sandbox) -> None:
    before = shared.column("pid")
    shared.run("up")
    assert shared.column("pid") == before
    plan = json.loads(shared.run("plan", "--json").stdout)
    assert (plan["stop"], plan["start"]) == ([], [])


def test_restart_replaces_the_app_tier_and_keeps_databases_and_rows(shared: Sandbox) -> None:
    before, generation = shared.column("pid"), shared.status()["generation"]
    shared.run("restart", "--in-place")
    after = shared.column("pid")
    assert {name: after[name] for name in DATABASES} == {name: before[name] for name in DATABASES}
    assert after["head"] != before["head"]
    assert after["worker-1"] != before["worker-1"]
    assert shared.status()["generation"] == generation + 1
    assert visits(shared) == 1


def test_scale_changes_only_the_workers(shared: Sandbox) -> None:
    before = shared.column("pid")
    shared.run("scale", "3")
    after = shared.column("pid")
    assert {**before, "worker-3": after["worker-3"]} == after
    shared.run("scale", "1")
    assert set(shared.services()) == {"warm", *DATABASES, *GATEWAY, "head", "worker-1", "serve"}
    assert shared.status()["state"] == "ready"
    assert visits(shared) == 1


def test_the_environment_reaches_ray_and_the_databases(shared: Sandbox) -> None:
    printed = shared.run("env").stdout
    token = (shared.root / "secrets/postgres").read_text().strip()
    assert token not in printed
    script = "import ray; ray.init(log_to_driver=False); print('sum', ray.get(ray.remote(lambda: 40 + 2).remote()))"
    assert "sum 42" in shared.run("run", "--", "python", "-c", script).stdout
    assert " CPU" in shared.run("run", "ray", "status").stdout  # Ray's own monitor does not run
    shell = f"{printed}\npython3 -c \"import os; print(os.environ['DATABASE_URL'])\""
    found = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=True)
    assert found.stdout.startswith("postgresql://daybreak:")
    assert token in found.stdout


CANCELS = """
import pathlib, sys, time
import ray

ray.init(log_to_driver=False)


@ray.remote(max_retries=0)
def slow(started):
    pathlib.Path(started).touch()
    while True:
        time.sleep(0.01)


task = slow.remote(sys.argv[1])
while not pathlib.Path(sys.argv[1]).exists():
    time.sleep(0.01)
ray.cancel(task)
try:
    ray.get(task, timeout=60)
except ray.exceptions.GetTimeoutError:
    raise
except ray.exceptions.RayError as error:
    print("cancelled" if "Cancelled" in str(type(error)) else error)
"""


def test_a_task_that_is_cancelled_ends(shared: Sandbox) -> None:
    """Ray interrupts it, and where SIGINT is ignored that does nothing."""
    (shared.folder / "cancels.py").write_text(CANCELS)
    done = shared.run("run", "--", "python", "cancels.py", str(shared.folder / "started"))
    assert done.stdout.strip() == "cancelled"


def test_a_job_is_submitted_through_run(shared: Sandbox) -> None:
    code = "import ray; ray.init(); print('job', ray.get(ray.remote(lambda: 6 * 7).remote()))"
    (shared.folder / "job.py").write_text(code)
    done = shared.run("run", "--", "ray", "job", "submit", "--", "python", str(shared.folder / "job.py"))
    assert "job 42" in done.stdout


JOB = """
import os, sys, time
import ray

ray.init(log_to_driver=False)
print("job", ray.get(ray.remote(lambda: 6 * 7).remote()), os.environ["SHARD"], open("beside.txt").read(), flush=True)
print(os.environ["DATABASE_URL"])
while "wait" in sys.argv:
    time.sleep(0.1)
sys.exit(7)
"""


def test_a_job_is_submitted_followed_and_stopped(shared: Sandbox) -> None:
    (shared.folder / "job.py").write_text(JOB)
    (shared.folder / "beside.txt").write_text("sent along")
    done = shared.run("job", "submit", "-e", "SHARD=3", "--", "python", "job.py", code=7)
    assert "job 42 3 sent along" in done.stdout
    assert "postgresql://daybreak:********@" in done.stdout
    shared.run("job", "submit", "-e", "SHARD=4", "--id", "long", "--no-wait", "--", "python", "job.py", "wait")
    until(lambda: "job 42 4" in shared.run("job", "logs", "long").stdout, what="the job's first line")
    os.kill(shared.status()["keeper_pid"], signal.SIGKILL)
    assert json.loads(shared.run("job", "status", "long", "--json").stdout)["state"] == "running"
    assert "job long: stopped" in shared.run("job", "stop", "long").stderr
    assert [job["exit_code"] for job in json.loads(shared.run("job", "list", "--json").stdout)][-2:] == [7, None]


def test_logs_show_services_and_rays_own_files(shared: Sandbox) -> None:
    assert "daybreak: starting head" in shared.run("logs", "head").stdout
    everything = shared.run("logs", "--all", "--since", "1h").stdout
    for label in ("postgres", "redis", "serve", "head/raylet.out"):
        assert label in everything


def test_wait_knows_what_is_there(shared: Sandbox) -> None:
    for target in ("head", "workers", "serve", "postgres", "all"):
        shared.run("wait", target, "--timeout", "30s")
    shared.run("wait", "stopped", "--timeout", "1s", code=3)
    assert "has no service" in shared.run("wait", "nonsense", code=2).stderr


def test_every_run_was_measured(shared: Sandbox) -> None:
    stats = json.loads(shared.run("perf", "stats", "--json").stdout)
    assert {"startup", "restart", "change"} <= {summary["kind"] for summary in stats["summaries"]}
    assert stats["critical_chain"]
    history = json.loads(shared.run("perf", "history", "--json").stdout)
    assert json.dumps(history).count('"ok"') >= 4
    assert '"recovery"' not in json.dumps(history)  # nobody has done anything to the cluster
    assert "@ is when a service could start" in shared.run("perf", "stats").stdout


def test_a_backup_brings_rows_and_keys_back(shared: Sandbox) -> None:
    rows = visits(shared)
    client = redis_client.Redis.from_url((shared.root / "secrets/redis-url").read_text().strip())
    client.set("kept", "yes")
    assert shared.run("backup", "kept.zip").stdout.strip() == str(shared.folder / "kept.zip")
    visit(shared)
    client.flushall()
    assert "--yes" in shared.run("restore", "kept.zip", code=2).stderr
    assert visits(shared) == rows + 1
    said = shared.run("restore", "kept.zip", "--yes").stderr
    assert "database daybreak: replaced" in said
    assert visits(shared) == rows
    assert client.get("kept") == b"yes"
    client.close()
    assert shared.status()["state"] == "ready"
    assert json.loads(shared.run("plan", "--json").stdout)["stop"] == []


def test_down_leaves_no_process_and_data_survives(shared: Sandbox) -> None:
    shared.run("down")
    assert shared.processes() == []
    shared.run("wait", "stopped", "--timeout", "10s")
    assert shared.status()["state"] == "stopped"
    shared.run("up", "1")
    assert visits(shared) == 1


def test_volumes_are_deleted_only_when_confirmed(shared: Sandbox) -> None:
    assert "--yes" in shared.run("down", "--volumes", code=2).stderr
    assert visits(shared) == 1
    shared.run("down", "--volumes", "--yes")
    assert not list((shared.root / "data").iterdir())
    until(lambda: shared.status()["state"] == "stopped", what="stopped")
