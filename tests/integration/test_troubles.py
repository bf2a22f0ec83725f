"""Bad input and trouble: one clear message, the right exit code, and nothing half-started is left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from daybreak.backends.process import members, procfs
from tests import evidence
from tests.helpers import until
from tests.integration.conftest import APP, Sandbox, end_keeper, make_sandbox

pytestmark = pytest.mark.ray

HEAD_ONLY = "workers: {count: 0}\n"
WITH_APP = HEAD_ONLY + 'serve: {applications: [{import: "app:main"}], start_timeout: 60s}\n'
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")


@contextmanager
def listening(port: int) -> Iterator[None]:
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", port))
        server.listen()
        yield


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize(("base", "purpose"), [(8000, "Serve"), (8265, "dashboard"), (6380, "GCS")])
def test_a_port_in_use_is_named_with_its_owner_before_anything_starts(
    sandbox: Sandbox, base: int, purpose: str
) -> None:
    sandbox.write(WITH_APP, app_py=APP)
    port = base + sandbox.offset
    with listening(port):
        error = sandbox.run("up", code=1).stderr
    assert f"port {port} ({purpose}) is in use by" in error
    assert f"(pid {os.getpid()})" in error
    assert "--port-offset" in error
    assert "starting" not in error
    assert sandbox.processes() == []


def test_an_application_that_does_not_import_shows_its_traceback_and_takes_the_start_down(sandbox: Sandbox) -> None:
    sandbox.write(WITH_APP, app_py="import no_such_module_anywhere\n")
    error = sandbox.run("up", code=1).stderr
    reason = error[error.index("error: ") :].splitlines()[0]
    assert reason.endswith("ModuleNotFoundError: No module named 'no_such_module_anywhere' (app.py:1)")
    assert "app.py" in error
    assert "import no_such_module_anywhere" in error
    assert "importlib" not in error
    assert sandbox.processes() == []
    # With --keep the rest stays, and the corrected application needs nothing but another `up`.
    unfolded = sandbox.run("up", "--keep", "-v", code=1).stderr
    assert "importlib" in unfolded
    assert "still running: " in unfolded
    services = sandbox.services()
    assert services["head"]["state"] == "ready"
    assert services["serve"]["state"] == "failed"
    assert "no_such_module_anywhere" in sandbox.run("status").stdout
    told = sandbox.run("doctor", "serve", "last-run", code=1).stdout
    assert told.startswith("error: serve: the application is not deployed: ")
    assert "no_such_module_anywhere" in told
    assert "warning: last-run: the last startup failed" in told
    head = services["head"]["instance"]
    (sandbox.folder / "app.py").write_text(APP)
    sandbox.run("up")
    assert sandbox.services()["head"]["instance"] == head
    assert "pid" in sandbox.get("/")
    # What serves is not given away for what cannot run.
    for broken, reason in (
        ("import no_such_module_anywhere\n", "No module named 'no_such_module_anywhere' (app.py:1)"),
        (
            APP.replace("@serve.deployment", "@serve.deployment(num_replicas=9)"),
            "the applications ask for 9 CPUs (App)",
        ),
    ):
        (sandbox.folder / "app.py").write_text(broken)
        error = sandbox.run("restart", code=1).stderr
        assert reason in error[error.index("error: ") :].splitlines()[0]
        assert "before still serves" in error
        assert sandbox.services()["head"]["instance"] == head
        assert "pid" in sandbox.get("/")


BESIDE = """
from ray import serve

@serve.deployment(ray_actor_options={"num_cpus": 0})
def beside(_):
    return "beside"

serve.run(beside.bind(), name="mine", route_prefix="/mine")
"""
REACHES_FOR_RAY = """
import ray

if not ray.is_initialized():
    ray.init(num_cpus=1)
assert ray.get(ray.remote(num_cpus=0)(lambda: 42).remote()) == 42
"""


def test_applications_that_somebody_deploys_beside_the_specs_stay(sandbox: Sandbox) -> None:
    # An application may reach for Ray while it is imported, as with `serve run`.
    sandbox.write(WITH_APP, app_py=REACHES_FOR_RAY + APP)
    sandbox.run("up")
    (sandbox.folder / "beside.py").write_text(BESIDE)
    sandbox.run("run", "--", "python", "beside.py")
    # Ray's proxy hears of it a moment after `serve.run` has returned.
    until(lambda: sandbox.get("/mine") == "beside", what="the application beside answers")
    (sandbox.folder / "app.py").write_text(APP)
    sandbox.write(WITH_APP.replace('"app:main"', '"app:main", name: renamed'))
    sandbox.run("up")
    assert sandbox.get("/mine") == "beside"
    assert "pid" in sandbox.get("/")
    # A Serve config that Ray does not take leaves all as it is; one that it takes replaces the spec's own alone.
    config = "applications: [{name: by-config, import_path: 'app:main', route_prefix: /}]\n"
    with_config = HEAD_ONLY + "serve: {config: serve.yaml, start_timeout: 60s}\n"
    (sandbox.folder / "serve.yaml").write_text(config + "logging_config: {encoding: MORSE}\n")
    sandbox.write(with_config)
    assert "logging_config" in sandbox.run("up", code=1).stderr.splitlines()[0]
    assert "pid" in sandbox.get("/")
    (sandbox.folder / "serve.yaml").write_text(config)
    sandbox.run("up")
    assert sandbox.get("/mine") == "beside"
    assert "pid" in sandbox.get("/")


def test_a_replica_that_cannot_be_constructed_is_told_with_its_reason(sandbox: Sandbox) -> None:
    broken = APP.replace(
        "class App:", "class App:\n    def __init__(self):\n        raise RuntimeError('no weights')\n"
    )
    sandbox.write(WITH_APP.replace("60s", "45s"), app_py=broken)
    starting = sandbox.popen("up")
    _, error = starting.communicate(timeout=120)
    assert starting.returncode in (1, 3)
    told = error[error.index("error: ") :].splitlines()
    assert told[0].startswith("error: serve failed: deployment App: RuntimeError: no weights (app.py:")
    assert "      raise RuntimeError('no weights')" in told
    assert not any("site-packages" in line for line in told)
    assert "nothing runs now: what had been started was taken down again" in told
    assert "hint: daybreak logs serve; -v shows all lines" in told
    assert sandbox.processes() == []


@pytest.mark.one_ray
def test_more_memory_than_the_machine_has_is_refused(sandbox: Sandbox) -> None:
    sandbox.write("workers: {count: 1, memory: 900TiB}\n")
    error = sandbox.run("up", code=2).stderr
    assert "workers" in error
    assert "the machine has" in error
    assert sandbox.processes() == []


@pytest.mark.one_ray
def test_no_ray_and_the_wrong_ray_are_told_apart(sandbox: Sandbox, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    sandbox.write(HEAD_ONLY + f"ray: {{python: {bare}/bin/python}}\n")
    error = sandbox.run("up", code=1).stderr
    assert "Ray is not installed" in error
    assert "pip install" in error
    sandbox.write(HEAD_ONLY + 'ray: {version: "<2"}\n')
    assert "<2 is expected, but Ray 2." in sandbox.run("up", code=2).stderr
    assert sandbox.processes() == []


@pytest.mark.one_ray
def test_an_invalid_spec_lists_every_problem_with_its_line(sandbox: Sandbox) -> None:
    sandbox.write("workers: {cuont: 3}\nhealth: {interval: fast}\nserve: {config: nowhere.yaml}\n")
    error = sandbox.run("up", code=2).stderr
    assert "3 problems" in error
    assert "daybreak.yaml:3: workers.cuont: unknown key (did you mean 'count'?)" in error
    assert "daybreak.yaml:4: health.interval" in error
    assert "daybreak.yaml:5: serve.config" in error
    assert sandbox.processes() == []


@as_root
@pytest.mark.one_ray
def test_a_full_and_a_read_only_state_folder_are_one_clear_message_each(sandbox: Sandbox) -> None:
    sandbox.write(HEAD_ONLY)
    with mounted(sandbox.home, "size=64k"):
        with pytest.raises(OSError, match="No space left"):
            (sandbox.home / "filler").write_bytes(b"x" * 1024 * 1024)
        error = sandbox.run("up", code=1).stderr
        assert "cannot be written to: No space left on device" in error
        assert "DAYBREAK_HOME" in error
        assert not list(sandbox.root.glob(".probe*"))
    with mounted(sandbox.home, "ro,size=64k"):
        error = sandbox.run("up", code=1).stderr
        assert "cannot be written to: Read-only file system" in error
    assert sandbox.processes() == []


def test_ctrl_c_in_the_middle_of_up_leaves_nothing(sandbox: Sandbox) -> None:
    sandbox.write(WITH_APP, app_py=APP)
    starting = sandbox.popen("up")
    until(lambda: sandbox.services()["head"]["state"] == "starting", what="the head is starting")
    starting.send_signal(signal.SIGINT)
    _, error = starting.communicate(timeout=120)
    assert starting.returncode == 130, error
    assert "interrupted" in error
    assert sandbox.processes() == []


@pytest.mark.one_ray
def test_ctrl_c_in_the_middle_of_a_restart_leaves_the_database_alone(sandbox: Sandbox) -> None:
    sandbox.write(HEAD_ONLY + "databases: {postgres: {}}\n")
    sandbox.run("up")
    before = sandbox.services()["postgres"]["pid"]
    restarting = sandbox.popen("restart")
    until(lambda: sandbox.services()["head"]["state"] == "starting", what="the head is starting again")
    restarting.send_signal(signal.SIGINT)
    restarting.communicate(timeout=120)
    assert restarting.returncode == 130
    assert sandbox.services()["postgres"]["pid"] == before
    assert sandbox.services()["postgres"]["state"] == "ready"
    sandbox.run("up")
    assert sandbox.services()["postgres"]["pid"] == before


@pytest.mark.one_ray
def test_two_ups_at_once_make_one_cluster_and_the_second_says_that_it_waits(sandbox: Sandbox) -> None:
    hook = "touch asked; until [ -e go ]; do sleep 0.05; done"
    sandbox.write(f"{HEAD_ONLY}hooks: {{before_up: [sh, -c, '{hook}']}}\n")
    first = sandbox.popen("up")
    until((sandbox.folder / "asked").exists, what="the first one is at work")
    second = sandbox.popen("up")
    assert second.stderr
    told = f"waiting for another startup by pid {first.pid}"
    assert any(told in line for line in second.stderr)
    (sandbox.folder / "go").touch()
    first.communicate(timeout=120)
    second.communicate(timeout=120)
    assert (first.returncode, second.returncode) == (0, 0)
    assert len(members.Scan().marked(str(sandbox.root))) == len(sandbox.services())


@pytest.mark.one_ray
def test_state_from_before_a_reboot_or_with_a_strangers_pid_is_not_believed(sandbox: Sandbox) -> None:
    sandbox.write(HEAD_ONLY + "databases: {redis: {}}\n")
    sandbox.run("up")
    os.kill(sandbox.status()["keeper_pid"], signal.SIGKILL)
    for process in sandbox.processes():
        with suppress(ProcessLookupError):  # it has ended with another one of them
            os.kill(process.pid, signal.SIGKILL)
    until(lambda: sandbox.processes() == [], what="everything has ended, as after a power cut")
    stranger = subprocess.Popen(["sleep", "300"], start_new_session=True)
    try:
        for record in (sandbox.root / "services").glob("*.json"):
            raw = json.loads(record.read_text())
            if raw["service"] == "head":
                raw["pid"] = stranger.pid  # its number was given to somebody else
            else:
                raw["boot_id"] = "an-earlier-boot"
            record.write_text(json.dumps(raw))
        sandbox.run("up")
        assert sandbox.status()["state"] == "ready"
        sandbox.run("down")
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.one_ray
def test_two_clusters_run_side_by_side_and_the_end_of_one_leaves_the_other(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.write(WITH_APP, app_py=APP)
    sandbox.run("up")
    folder = tmp_path / "other"
    folder.mkdir()
    other = make_sandbox(folder, "other")
    evidence.unwatch(str(other.home))
    other.home.rmdir()
    other.home = sandbox.home
    try:
        other.write(WITH_APP, app_py=APP)
        other.run("up")
        before = sandbox.column("instance")
        pids = {process.pid for process in sandbox.processes()}
        assert sandbox.get("/")["pid"] != other.get("/")["pid"]
        other.run("down")
        assert other.processes() == []
        left = {process.pid for process in procfs.processes()}
        assert sandbox.column("instance") == before
        mains = {row["pid"] for row in sandbox.services().values() if row["pid"] and row["name"] != "serve"}
        assert mains <= pids & left
        assert "pid" in sandbox.get("/")
    finally:
        if other.root.exists():
            other.run("down")
        end_keeper(other.root)
        shutil.rmtree(other.runtime, ignore_errors=True)
