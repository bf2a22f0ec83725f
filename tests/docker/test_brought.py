"""What people bring, in containers: variables of a file, a step, hooks, a schedule, a group of workers, a job, single
services that stop and start; with the machine's own network, as `init --from --backend docker` writes it. One cluster,
tests in order; a secret of the user's is in test_cluster.py."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from daybreak.docker.docker_cli import Client
from tests.docker.clusters import Docked, docked
from tests.docker.helpers import Project, require_engine
from tests.helpers import free_port, until

MOUNTED = 0o755
SPEC = """
backend: docker
docker: {{image: "{image}", network: host, mount_code: true}}
page: false
env_file: [brought.env]
workers:
  groups:
    big: {{count: 1, cpus: 1, resources: {{big: 1}}, labels: {{zone: left}}, env: {{KIND: "large"}}}}
hooks:
  before_up: [python3, hook.py]
  before_down: [python3, hook.py]
services:
  migrate:
    command: [python, migrate.py]
    needs: [head]
  store:
    image: redis:7
    command: [sh, -c, 'echo "begins at $(date +%s%N)"; exec redis-server --port {port}']
    needs: {{migrate: done}}
    ports: [{port}]
    check: {{tcp: {port}}}
  debug: {{command: [sleep, "1000"], profiles: [debug]}}
  report:
    command: [python, -c, "import sys; print('reported'); sys.exit(4)"]
    needs: [head]
    schedule: {{cron: "@yearly", timezone: Europe/Berlin}}
"""
HOOK = """
import os
print("told", os.environ["DAYBREAK_HOOK"], "RAY_ADDRESS" in os.environ)
"""
MIGRATE = """
import time
time.sleep(0.3)
print("migrated at", time.time_ns())
"""
JOB = """
import os, sys
import ray

ray.init(log_to_driver=False)

@ray.remote(resources={"big": 1})
def kind():
    return os.environ["KIND"] + os.environ["SIZE"], ray.get_runtime_context().get_node_labels()

found, labels = ray.get(kind.remote())
print("found", found, labels["zone"], labels["group"], os.environ["MODE"])
sys.exit(3)
"""


@pytest.fixture(scope="module")
def made(bare: Project, engine: Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Docked]:
    require_engine("redis:7")
    folder = tmp_path_factory.mktemp("brought")
    folder.chmod(MOUNTED)  # the image's own account reads it
    with docked(folder, engine) as found:
        spec = SPEC.format(image=bare.tag, port=free_port())
        (folder / "brought.env").write_text("SIZE=r\n")
        found.sandbox.write(spec, hook_py=HOOK, migrate_py=MIGRATE, job_py=JOB)
        yield found


def logged(made: Docked, service: str, words: str) -> int:
    """The number behind these words in a service's log."""
    path = made.sandbox.root / "logs" / f"{service}.log"
    until(lambda: path.exists() and words in path.read_text(), what=f"{words!r} in {path.name}")
    return int(path.read_text().split(words)[1].split()[0])


def test_a_hook_runs_first_and_a_step_to_its_end_before_what_needs_it(made: Docked) -> None:
    up = made.sandbox.run("up")
    assert "hooks | told before_up" in up.stderr
    assert {name: row["state"] for name, row in made.sandbox.services().items()} == {
        "head": "ready",
        "big-1": "ready",
        "migrate": "completed",
        "store": "ready",
        "report": "scheduled",
    }
    assert logged(made, "migrate", "migrated at") < logged(made, "store", "begins at")
    assert set(made.containers()) == {"head", "big-1", "store"}


def test_its_ports_are_its_own(made: Docked) -> None:
    listed = json.loads(made.sandbox.run("ports", "--json").stdout)["ports"]
    found = {row["name"]: row for row in listed if not row["free"]}
    assert {name: found[name]["service"] for name in ("GCS", "dashboard", "store")} == {
        "GCS": "head",
        "dashboard": "head",
        "store": "store",
    }
    assert all(row["own"] for row in found.values())
    assert "ports:" not in made.sandbox.run("doctor").stdout


def test_a_job_ends_with_its_own_code_and_its_task_ran_in_the_group(made: Docked) -> None:
    done = made.sandbox.run("job", "submit", "--env", "MODE=night", "--", "python", "job.py", code=3)
    assert "found larger left big night" in done.stdout
    assert "failed (3)" in made.sandbox.run("job", "list").stdout


def test_status_tells_the_next_run_and_the_last_one(made: Docked) -> None:
    assert "01 Jan 00:00" in made.sandbox.run("status").stdout
    made.sandbox.run("start", "report")
    until(lambda: made.sandbox.services()["report"]["schedule"]["last"]["ended"], what="the end of a run")
    assert made.sandbox.services()["report"]["schedule"]["last"]["code"] == 4
    assert "reported" in made.sandbox.run("logs", "report").stdout
    assert made.sandbox.status()["state"] == "ready"


def test_one_service_is_stopped_and_started_and_nothing_else(made: Docked) -> None:
    before = made.containers()
    made.sandbox.run("stop", "store")
    assert set(made.containers()) == {"head", "big-1"}
    assert "stopped (by you)" in made.sandbox.run("status").stdout
    made.sandbox.run("start", "store")
    made.sandbox.run("restart", "store")
    after = made.containers()
    assert after.pop("store") != before.pop("store")
    assert after == before
    assert made.sandbox.services()["store"]["state"] == "ready"


def test_down_has_its_hook_and_leaves_nothing(made: Docked) -> None:
    assert "hooks | told before_down True" in made.sandbox.run("down").stderr
    assert not made.containers()
