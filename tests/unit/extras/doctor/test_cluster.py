"""A cluster that is not well, as its spec, its keeper, its records and its logs show it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from daybreak import __version__
from daybreak.errors import Problem
from daybreak.extras.doctor.diagnoses import head, keeper, serve, services, spec, versions
from daybreak.extras.doctor.finding import Severity
from daybreak.paths import ClusterPaths
from daybreak.timeline.event import RunKind
from daybreak.timeline.store import Store
from tests.unit.extras.doctor.conftest import MakeCase, of, process, record, row, snapshot

APP = {"serve": {"applications": [{"import": "app:main"}]}}


def test_every_problem_of_the_spec(make_case: MakeCase) -> None:
    problems = (Problem("unknown key", "workers.cuont", "daybreak.yaml", 3), Problem("too slow", "health.interval"))
    found = of(spec.look(make_case(problems=problems, file=Path("daybreak.yaml"))), Severity.ERROR)
    assert found.found == "daybreak.yaml has 2 problems"
    assert found.lines == ("daybreak.yaml:3: workers.cuont: unknown key", "health.interval: too slow")


def test_installed_versions_without_a_cluster(make_case: MakeCase) -> None:
    found = of(versions.look(make_case()), Severity.OK)
    assert found.found.startswith(f"daybreak {__version__}, Ray 2.60.0, Python 3.")
    assert "older than 2.20" in of(versions.look(make_case(ray="2.9.3")), Severity.WARNING).found


def test_no_ray_is_an_error_with_the_command_that_installs_it(make_case: MakeCase, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")], check=True)
    case = make_case({"ray": {"python": str(tmp_path / "bare")}})
    del case.__dict__["ray"]
    found = of(versions.look(case), Severity.ERROR)
    assert f"Ray is not installed for {tmp_path}/bare/bin/python" in found.found
    assert "pip install" in found.mend[0]


def test_an_interpreter_that_is_not_there(make_case: MakeCase) -> None:
    case = make_case({"ray": {"python": "/no/such/python"}})
    del case.__dict__["ray"]
    assert "there is no interpreter at /no/such/python" in of(versions.look(case), Severity.ERROR).found


def test_a_keeper_of_other_versions_than_are_installed_now(make_case: MakeCase) -> None:
    shown = snapshot(row("head"), ray="2.55.1", daybreak="0.0.9", keeper_pid=4711)
    found = list(versions.look(make_case(snapshot=shown)))
    of(found, Severity.WARNING)
    assert found[0].found == "the cluster runs Ray 2.55.1, Ray 2.60.0 is installed now"
    assert found[0].mend == ("daybreak restart",)
    assert found[1].found == f"the keeper is daybreak 0.0.9, this command is {__version__}"
    assert found[1].mend == ("kill 4711 && daybreak status",)


def test_versions_beside_the_last_run_count_where_the_keeper_does_not_tell(
    make_case: MakeCase, paths: ClusterPaths
) -> None:
    with Store(paths.timeline) as store:
        store.begin_run(
            RunKind.STARTUP, workers=1, warm=False, versions={"daybreak": "0.0.1"}, machine={}, spec_digest="", wall=1.0
        )
    assert "daybreak 0.0.1" in of(versions.look(make_case(snapshot=snapshot(row("head")))), Severity.WARNING).found
    of(versions.look(make_case()), Severity.OK)  # nothing runs: what ran once does not matter


def test_services_that_run_without_a_keeper(make_case: MakeCase, paths: ClusterPaths) -> None:
    of(keeper.look(make_case()), Severity.OK)
    with process("redis") as started:
        record(paths, "redis", started.pid)
        found = of(keeper.look(make_case(option="-n it")), Severity.WARNING)
    assert found.found == "1 service without a keeper: redis"
    assert found.mend == ("daybreak status -n it",)


def test_a_record_of_an_earlier_boot_or_of_another_process_is_not_believed(
    make_case: MakeCase, paths: ClusterPaths
) -> None:
    with process("redis") as started:
        record(paths, "redis", started.pid, boot_id="an-earlier-boot")
        record(paths, "postgres", started.pid, started_ticks=1)
        (paths.records / "broken.json").write_text("{")
        case = make_case()
        assert not case.running
        of(keeper.look(case), Severity.OK)
    assert (paths.records / "broken.json").exists()


def test_a_keeper_that_does_not_answer(make_case: MakeCase) -> None:
    found = of(keeper.look(make_case(silent="the keeper has not answered for 2 s")), Severity.ERROR)
    assert "has not answered" in found.found


def write_logs(paths: ClusterPaths) -> None:
    """Logs as Ray 2.60 writes them, most lines of no interest."""
    logs = paths.ray_temp("head") / "session_latest/logs"
    logs.mkdir(parents=True)
    (logs / "gcs_server.out").write_text(
        "RAY_ERROR_INFO_CHANNEL\n"
        "[2026-11-25 10:28:44,900 W 29793 29793] (gcs_server) gcs_worker_manager.cc:70: exit_type = SYSTEM_ERROR\n"
        "[2026-11-25 10:28:45,000 C 29793 29793] (gcs_server) gcs_server.cc:1: Check failed: storage\n"
    )
    failed = "[2026-11-25 10:28:47,351 E 29830 29855] (raylet) agent_manager.cc:87: The raylet exited immediately\n"
    (logs / "raylet.out").write_text("[2026-11-25 10:28:47,000 I 1 1] (raylet) all is well\n" + failed)
    (logs / "raylet.err").write_text(failed)
    (logs / "dashboard_agent.log").write_text(
        "2026-11-25 10:28:56,270\tINFO agent.py:1 -- Errors are logged here\n"
        "Traceback (most recent call last):\n"
        '  File "agent.py", line 1, in <module>\n'
        "    raise ValueError(1)\n"
        "ValueError: Dashboard http address not found in InternalKV.\n"
        "2026-11-25 10:28:56,280\tERROR process_watcher.py:115 -- Raylet is terminated.\n"
    )
    (paths.logs / "head.log").write_text("daybreak: starting head\n")


def test_an_unhealthy_head_is_told_with_the_lines_that_say_why(make_case: MakeCase, paths: ClusterPaths) -> None:
    write_logs(paths)
    crashed = row("head", "crashed", health="", reason="lost its gcs_server process (pid 7)")
    found = of(head.look(make_case(snapshot=snapshot(crashed))), Severity.ERROR)
    assert found.found == "head is crashed: lost its gcs_server process (pid 7)"
    assert [line.partition(" | ")[0] for line in found.lines] == [
        "gcs_server.out",
        "raylet.out",
        "dashboard_agent.log",
        "dashboard_agent.log",
    ]
    assert "Check failed: storage" in found.lines[0]
    assert found.lines[2].endswith("| ValueError: Dashboard http address not found in InternalKV.")
    assert found.mend == ("daybreak logs head", "daybreak up")


@pytest.mark.parametrize(
    ("shown", "run", "severity"),
    [
        (row("head"), None, Severity.OK),
        (row("head", restarts=2), None, Severity.NOTE),
        (row("head", health="failing", reason="no answer (3/12)"), None, Severity.WARNING),
        (row("head", health="unhealthy"), None, Severity.ERROR),
        (row("head", "starting", health=""), "startup", Severity.WARNING),
        (row("head", "stopping", health=""), None, Severity.WARNING),
        (row("head", "backing-off", health=""), None, Severity.ERROR),
        (row("head", "crashed", health=""), "recovery", Severity.WARNING),
        (row("head", "failed", health=""), None, Severity.ERROR),
    ],
)
def test_how_bad_the_states_of_a_head_are(
    make_case: MakeCase, shown: dict[str, object], run: str | None, severity: Severity
) -> None:
    case = make_case({"dashboard": False}, snapshot=snapshot(shown, row("redis"), run=run))
    of(head.look(case), severity)


def test_a_gcs_that_nobody_can_ask(make_case: MakeCase) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        case = make_case({"ports": {"dashboard": free.getsockname()[1]}}, snapshot=snapshot(row("head")))
        assert "the GCS does not answer" in of(head.look(case), Severity.ERROR).found


def test_without_a_keeper_the_heads_processes_are_looked_for(make_case: MakeCase, paths: ClusterPaths) -> None:
    with process("redis") as redis, process("head") as started:
        record(paths, "redis", redis.pid)
        record(paths, "head", started.pid, vital=("sh",))
        of(head.look(make_case()), Severity.OK)
        record(paths, "head", started.pid, vital=("sh", "raylet"))
        assert of(head.look(make_case()), Severity.ERROR).found == "the raylet of head has ended"
        started.kill()
        started.wait()
        found = of(head.look(make_case()), Severity.ERROR)
    assert found.found == f"the process (pid {started.pid}) of head has ended"
    assert "daybreak up" in found.mend


def test_a_stopped_cluster_has_no_head_to_be_well(make_case: MakeCase) -> None:
    assert of(head.look(make_case()), Severity.OK).found == "not running"


def test_each_of_the_other_services_is_told(make_case: MakeCase, paths: ClusterPaths) -> None:
    (paths.logs / "api.log").write_text("OSError: no such device\n")
    rows = (row("head", "crashed"), row("worker-1"), row("api", "failed", reason="exited with code 1"))
    found = of(services.look(make_case(snapshot=snapshot(*rows))), Severity.ERROR)
    assert found.found == "api is failed: exited with code 1"
    assert found.lines == ("api | OSError: no such device",)
    assert of(services.look(make_case(snapshot=snapshot(*rows[:2]))), Severity.OK).found == "ready: worker-1"


def test_an_application_that_failed_to_deploy(make_case: MakeCase) -> None:
    failed = row("serve", "failed", reason="ModuleNotFoundError: No module named 'torch'", tail=["import torch"])
    found = of(serve.look(make_case(APP, snapshot=snapshot(row("head"), failed))), Severity.ERROR)
    assert found.found == "the application is not deployed: ModuleNotFoundError: No module named 'torch'"
    assert found.lines == ("import torch",)


def test_the_deployments_own_last_word_counts_without_a_keeper(make_case: MakeCase, paths: ClusterPaths) -> None:
    status = paths.runtime / "serve-status.json"
    with process("head") as started:
        record(paths, "head", started.pid)
        assert "never begun" in of(serve.look(make_case(APP)), Severity.ERROR).found
        status.write_text(
            json.dumps({"stage": "failed", "reason": "no weights", "error": ["RuntimeError: no weights"]})
        )
        found = of(serve.look(make_case(APP)), Severity.ERROR)
        assert (found.found, found.lines) == (
            "the application is not deployed: no weights",
            ("RuntimeError: no weights",),
        )
        status.write_text(json.dumps({"stage": "running", "reason": "", "error": []}))
        of(serve.look(make_case(APP)), Severity.OK)
    of(serve.look(make_case(APP)), Severity.OK)  # nothing runs any more


def test_a_cluster_that_is_only_warm_has_no_application_to_miss(make_case: MakeCase) -> None:
    assert "Ray is not running" in of(serve.look(make_case(APP, snapshot=snapshot(row("warm")))), Severity.OK).found


def test_an_application_that_was_added_to_the_file_since(make_case: MakeCase) -> None:
    case = make_case(snapshot=snapshot(row("head")), of_file=make_case(APP).spec, file=Path("daybreak.yaml"))
    assert "the running cluster has none" in of(serve.look(case), Severity.WARNING).found


def test_applications_that_serve_calls_unhealthy_are_an_error_with_each_deployments_lines(make_case: MakeCase) -> None:
    why = "KeyError: 'MODEL' (app.py:12)"
    sick = {"name": "App", "status": "UNHEALTHY", "wanted": 2, "running": 1, "message": why, "lines": ["app.py:12"]}
    well = {"name": "Other", "status": "HEALTHY", "wanted": 1, "running": 1, "message": "", "lines": []}
    app = {"name": "default", "deployments": [sick, well]}
    serving = {"unknown": "", "applications": [app]}
    for health, severity in (("unhealthy", Severity.ERROR), ("degraded", Severity.WARNING)):
        told = row("serve", health=health, reason=f"App is UNHEALTHY: {why}")
        case = make_case(APP, snapshot=snapshot(row("head"), told, serving=serving))
        found = of(serve.look(case), severity)
        assert found.found == f"the applications are {health}: App is UNHEALTHY: {why}"
        assert found.lines == (f"default: App is UNHEALTHY, 1 of 2 replicas: {why}", "default: app.py:12")


def test_what_serve_says_may_be_unknown(make_case: MakeCase) -> None:
    serving = {"unknown": "the dashboard is off", "applications": []}
    case = make_case(APP, snapshot=snapshot(row("head"), row("serve"), serving=serving))
    assert "is not known: the dashboard is off" in of(serve.look(case), Severity.NOTE).found


@pytest.mark.parametrize(("state", "severity"), [("not-ended", Severity.ERROR), ("unknown", Severity.WARNING)])
def test_what_has_not_ended_or_nobody_can_tell_is_named(make_case: MakeCase, state: str, severity: Severity) -> None:
    found = of(head.look(make_case(snapshot=snapshot(row("head", state, health="", reason="why")))), severity)
    assert found.found == f"head is {state}: why"
