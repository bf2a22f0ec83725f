"""Why Serve's applications do not run: the first line is the reason in the user's terms."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from daybreak.programs.deploy import frames
from daybreak.programs.deploy.reasons import Application, Deployment, End, end_of_actor, why_failed, why_not_yet
from tests.unit.programs.deploy.test_frames import REPLICA, SITE, trace

PROSE = (
    "The deployment failed to start 3 times in a row. This may be due to a problem with its constructor or initial "
    "health check failing. See controller logs for details. "
)
UPDATE = "Failed to update the deployments ['A']."


def failed(message: str, name: str = "default") -> Application:
    others = [Deployment("Waits", "UPDATING", ""), Deployment("Fine", "HEALTHY", "")]
    return Application(name, "DEPLOY_FAILED", UPDATE, [*others, Deployment("A", "UNHEALTHY", message)])


def test_a_constructor_that_raises() -> None:
    told = why_failed(failed(PROSE + "Error:\n" + REPLICA), "/home/me/shop")
    assert told.reason == "deployment A: ValueError: the weights are missing (models/small.py:10)"
    assert told.lines[1] == "app.py:16, in __init__"


def test_an_application_with_a_name_is_named() -> None:
    told = why_failed(failed(PROSE + "Error:\n" + REPLICA, "shop"), "/home/me/shop")
    assert told.reason.startswith("deployment A of shop: ValueError")


PIP = trace(
    f"""
    Exception when allocating Replica(id='x', deployment='A', app='default'): Failed to set up runtime environment.
    Could not create the actor because its associated runtime env failed to be created.
    [Node 192.0.2.2] Traceback (most recent call last):
      File "{SITE}/ray/_private/runtime_env/utils.py", line 105, in check_output_cmd
        raise SubprocessCalledProcessError(
    ray._private.runtime_env.utils.SubprocessCalledProcessError: Run cmd[9] failed with the following details.
    Command '['/tmp/x/virtualenv/bin/python', '-m', 'pip', 'install', '-r', '/tmp/x/r.txt']' returned non-zero
    Last 50 lines of stdout:
        Collecting nothing-of-that-name==9
          ERROR: Could not find a version that satisfies the requirement nothing-of-that-name==9 (from versions: none)
        ERROR: No matching distribution found for nothing-of-that-name==9
    """
)


@pytest.mark.parametrize("where", ["deployment", "application"])
def test_a_runtime_environment_that_cannot_be_made(where: str) -> None:
    app = failed(PROSE + "Error:\n" + PIP)
    if where == "application":
        app = Application("default", "DEPLOY_FAILED", "Runtime env setup for app 'default' failed:\n" + PIP, [])
    told = why_failed(app)
    first = f"{where} {'A' if where == 'deployment' else 'default'}: its runtime environment cannot be made: "
    assert told.reason == first + "No matching distribution found for nothing-of-that-name==9"
    assert any("Could not find a version" in line for line in told.lines)


def test_a_runtime_environment_whose_program_fails_without_a_complaint() -> None:
    output = PIP.partition("    Collecting")[0] + "    FileNotFoundError: [Errno 2] No such file: '/tmp/x/bin/python'"
    told = why_failed(failed(PROSE + "Error:\n" + output))
    assert told.reason.endswith("cannot be made: FileNotFoundError: [Errno 2] No such file: '/tmp/x/bin/python'")


def test_a_config_whose_application_does_not_import() -> None:
    message = trace(
        f"""
        Deploying app 'default' failed with exception:
        Traceback (most recent call last):
          File "{SITE}/ray/serve/_private/build_app.py", line 12, in build
            app = import_attr(import_path)
          File "/home/me/shop/app.py", line 3, in <module>
            import nothing_of_that_name
        ModuleNotFoundError: No module named 'nothing_of_that_name'
        """
    )
    told = why_failed(Application("default", "DEPLOY_FAILED", message, []), "/home/me/shop")
    expected = "application default: ModuleNotFoundError: No module named 'nothing_of_that_name' (app.py:3)"
    assert told.reason == expected


@pytest.mark.parametrize(
    ("noted", "how"),
    [
        ("76 1\n77 3\n77 7\n", "it exited with code 7"),
        ("77 -11\n", "it was killed by SIGSEGV"),
        ("770 5\n", "a crash in native code, os._exit, or it was killed"),
    ],
)
def test_a_replica_that_leaves_without_a_word(tmp_path: Path, noted: str, how: str) -> None:
    logs = tmp_path / "head" / "session_latest" / "logs"
    logs.mkdir(parents=True)
    (logs / "worker-ab-01000000-77.out").write_text(":job_id:01\n:actor_name:ServeReplica:default:A\nloading\n")
    (logs / "worker-ab-01000000-77.err").write_text(":actor_name:ServeReplica:default:A\nFatal Python error\n")
    (logs / "worker-cd-01000000-78.out").write_text(":actor_name:ServeReplica:default:Another\nnot mine\n")
    (tmp_path / "ends").write_text(noted)

    def end_of(deployment: str) -> End | None:
        folders = [f"{tmp_path}/*/session_latest/logs"]
        return end_of_actor(folders, str(tmp_path / "ends"), f"ServeReplica:default:{deployment}")

    told = why_failed(failed(PROSE + "Error:\nActorDiedError()"), end_of=end_of)
    assert told.reason == f"deployment A: the process of its replica ended without a Python error: {how}"
    assert told.lines == ["process 77 wrote last:", "  loading", "  Fatal Python error"]


def test_the_youngest_process_of_a_replica_counts(tmp_path: Path) -> None:
    for pid, changed in ((7, 2000), (8, 1000)):
        file = tmp_path / f"worker-ab-01-{pid}.out"
        file.write_text(f":actor_name:ServeReplica:default:A\nfrom {pid}\n")
        os.utime(file, (changed, changed))
    found = end_of_actor([str(tmp_path)], str(tmp_path / "none"), "ServeReplica:default:A")
    assert found == End("7", "", ["from 7"])


NO_PLACE = (
    "Deployment 'A' in application 'default' has 2 replicas that have taken more than 30s to be scheduled. This may be "
    "due to waiting for the cluster to auto-scale or for a runtime environment to be installed. Resources required for "
    'each replica: {"CPU": 4.0, "memory": 2147483648}, total resources available: {"CPU": 1.0, "object_store_memory": '
    '75.0, "node:127.0.0.2": 1.0}. Use `ray status` for more details.'
)


def test_what_is_waited_for_is_one_short_line() -> None:
    waiting = Application("default", "DEPLOYING", "", [Deployment("A", "UPDATING", NO_PLACE)])
    assert why_not_yet(waiting) == (
        "A: no node has room for 2 replicas: each asks for 4 CPU, 2.0 GiB memory; free are 1 CPU"
    )
    fits = NO_PLACE.replace('"CPU": 1.0', '"CPU": 8.0, "memory": 4e9')
    waiting = Application("default", "DEPLOYING", "", [Deployment("A", "UPDATING", fits)])
    waits = (
        "2 replicas waiting for a place (asks for 4 CPU, 2.0 GiB memory, which is free), or for a runtime environment"
    )
    assert why_not_yet(waiting) == f"A: {waits} to be installed"
    slow = "Deployment 'A' in application 'x' has 1 replicas that have taken more than 30s to initialize.\nThis may be"
    waiting = Application("shop", "DEPLOYING", "", [Deployment("A", "UPDATING", slow)])
    assert why_not_yet(waiting) == "shop: A: 1 replica still in the constructor after 30s"
    assert why_not_yet(Application("shop", "", "", [])) == "shop: not known to Serve yet"
    assert why_not_yet(Application("default", "DEPLOYING", "", [Deployment("A", "UPDATING", "")])) == "A: updating"


def test_prose_that_says_something_stays() -> None:
    told = why_failed(Application("default", "DEPLOY_FAILED", "Two deployments have one name.\nA and B", []))
    assert told == frames.Explanation("application default: Two deployments have one name.", ["A and B"])
