"""A command that is refused, or fails, leaves what was there: other folders' clusters, data, and what runs."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.helpers import until
from tests.integration.conftest import Sandbox, make_sandbox

pytestmark = [pytest.mark.ray, pytest.mark.one_ray]

ECHO = '{command: [sh, -c, "echo key=$MY_KEY; exec sleep 1000"]}'
SPEC = f"workers: {{count: 0}}\ndatabases: {{redis: {{}}}}\nservices:\n  web: {ECHO}\n"
# It fails when the head has been replaced.
REJECTED = SPEC + '  bad: {command: [sh, -c, "exit 3"], check: {tcp: 1}, needs: [head]}\nhead: {cpus: 3}\n'


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A running cluster, whose shell had a variable of its own."""
    made = make_sandbox(tmp_path_factory.mktemp("a") / "it")
    made.folder.mkdir()
    made.env["MY_KEY"] = "one"
    made.write(SPEC)
    made.run("up")
    yield made
    made.tear_down()


@pytest.fixture
def namesake(cluster: Sandbox, tmp_path: Path) -> Sandbox:
    """Another folder with the same spec, as a copy or a worktree has it."""
    other = replace(cluster, folder=tmp_path)
    other.write(SPEC)
    return other


def secrets(cluster: Sandbox) -> dict[str, str]:
    return {path.name: path.read_text() for path in (cluster.root / "secrets").iterdir() if path.is_file()}


@pytest.mark.parametrize(
    "command",
    [
        "up",
        "plan",
        "restart",
        "prewarm",
        "status",
        "env",
        "down --volumes --yes",
        "logs",
        "wait",
        "scale 1",
        "perf stats",
    ],
)
def test_another_folder_of_the_same_name_is_refused_with_both_paths(
    cluster: Sandbox, namesake: Sandbox, command: str
) -> None:
    before = cluster.column("instance")
    error = namesake.run(*command.split(), code=2).stderr
    assert str(cluster.folder) in error
    assert str(namesake.folder) in error
    assert "name:" in error
    assert ("--take-over" in error) == (command in ("up", "plan", "restart", "prewarm"))
    assert cluster.column("instance") == before


def test_a_restart_of_another_folders_cluster_by_its_name_uses_its_own_spec(
    cluster: Sandbox, namesake: Sandbox
) -> None:
    namesake.write(REJECTED)
    plan = json.loads(cluster.run("plan", "--json").stdout)
    assert not plan["start"]
    namesake.run("restart", "-n", cluster.name)
    assert "bad" not in cluster.services()
    assert not json.loads(cluster.run("plan", "--json").stdout)["start"]


def test_a_plan_writes_nothing(cluster: Sandbox) -> None:
    before, book = secrets(cluster), (cluster.root / "ports.json").read_text()
    cluster.write(SPEC.replace("redis: {}", "redis: {port: 25999}, postgres: {}"))
    steps = json.loads(cluster.run("plan", "--json").stdout)
    assert "postgres" in [step["service"] for step in steps["start"]]
    assert secrets(cluster) == before
    assert (cluster.root / "ports.json").read_text() == book
    cluster.write(SPEC)


def test_a_change_that_fails_is_taken_back(cluster: Sandbox) -> None:
    redis, wanted = cluster.services()["redis"]["pid"], json.loads((cluster.root / "wanted.json").read_text())
    cluster.write(REJECTED)
    error = cluster.run("up", code=1).stderr
    assert "bad exited with code 3" in error
    assert "going back to what ran before" in error
    status = cluster.status()
    assert status["state"] == "ready"
    assert {row["name"] for row in status["services"]} == {"warm", "redis", "head", "web"}
    assert cluster.services()["redis"]["pid"] == redis
    after = json.loads((cluster.root / "wanted.json").read_text())
    assert (after["spec"], after["settled"]) == (wanted["spec"], True)
    cluster.write(SPEC)
    assert not json.loads(cluster.run("plan", "--json").stdout)["start"]


def test_a_restart_that_was_cut_off_and_a_start_that_fails_leave_the_rest(cluster: Sandbox) -> None:
    redis = cluster.services()["redis"]["pid"]
    restarting = cluster.popen("restart")
    until(lambda: cluster.services()["head"]["state"] == "starting", what="the head is starting again")
    os.kill(cluster.status()["keeper_pid"], signal.SIGKILL)
    restarting.communicate(timeout=120)
    head = next(iter((cluster.root / "services").glob("head.*.json"))).name
    cluster.write(REJECTED.replace("head: {cpus: 3}\n", ""))
    cluster.run("up", code=1)
    assert cluster.services()["redis"]["pid"] == redis
    assert next(iter((cluster.root / "services").glob("head.*.json"))).name == head
    cluster.write(SPEC)
    cluster.run("up")
    assert cluster.status()["state"] == "ready"


def test_what_is_started_anew_gets_the_environment_of_the_command_that_asks(cluster: Sandbox) -> None:
    log = cluster.root / "logs" / "web.log"
    cluster.env["MY_KEY"] = "two"
    cluster.run("up")
    assert "key=two" not in log.read_text()
    cluster.run("restart")
    until(lambda: log.read_text().splitlines()[-1] == "key=two", what="the service has the new value")
    assert (cluster.runtime / "environment.json").exists() or list(cluster.runtime.glob("*/environment.json"))


def test_options_change_what_was_started_without_a_file_and_drop_nothing(cluster: Sandbox) -> None:
    (cluster.folder / "daybreak.yaml").unlink()
    before = json.loads((cluster.root / "wanted.json").read_text())["spec"]
    steps = json.loads(cluster.run("plan", "-n", cluster.name, "--port-offset", str(cluster.offset), "--json").stdout)
    assert not steps["start"]
    cluster.run("restart", "-n", cluster.name, "--port-offset", str(cluster.offset))
    assert json.loads((cluster.root / "wanted.json").read_text())["spec"] == before
    cluster.write(SPEC)


def test_a_folder_that_was_moved_keeps_its_cluster_and_one_that_takes_over_has_it(
    cluster: Sandbox, namesake: Sandbox
) -> None:
    cluster.folder = cluster.folder.rename(cluster.folder.with_name("moved"))
    assert cluster.status()["state"] == "ready"
    redis = cluster.services()["redis"]["pid"]
    namesake.run("up", "--take-over")
    assert namesake.services()["redis"]["pid"] == redis
    assert str(namesake.folder) in cluster.run("status", code=2).stderr
    shown = namesake.run("down", "--volumes", "--yes").stderr
    assert f"cluster {cluster.name} of {namesake.folder}" in shown
    assert not list(cluster.runtime.glob("*/environment.json"))
    assert not list(cluster.runtime.glob("*/warm"))
    # Nothing is stored any more that could be another's: it is free.
    assert json.loads(cluster.run("plan", "--json").stdout)["start"]
