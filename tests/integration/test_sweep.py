"""A sweep over one and two workers on a real cluster, and plots of what was measured."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import stat
from pathlib import Path

import pytest

from tests.helpers import DEADLINE_S, until
from tests.integration.conftest import APP, Sandbox

pytestmark = pytest.mark.ray

# A replica needs a whole CPU: the head has one, and each worker has one.
CROWDED = APP.replace("@serve.deployment\n", '@serve.deployment(num_replicas=2, ray_actor_options={"num_cpus": 1})\n')
SHORT = ("--duration", "1s", "--warm-up", "500ms", "--connections", "4")


@pytest.fixture(scope="module")
def cluster(shared: Sandbox) -> Sandbox:
    """A cluster with two workers, whose application has two replicas."""
    # Replicas that find no room are not waited for long where a worker is to go.
    spec = "workers: {count: 2}\ngateway: {drain: 5s}\nserve: {applications: [{import: 'app:main'}], health: /health}\n"
    shared.write(spec, app_py=CROWDED)
    shared.run("up")
    return shared


def workers(sandbox: Sandbox) -> int:
    return int(sandbox.status()["workers"])


def test_one_and_two_workers(cluster: Sandbox) -> None:
    done = cluster.run("perf", "sweep", "--workers", "1..2", *SHORT, "--plot", "sweep.png")
    head, columns, first, second, *_ = done.stdout.splitlines()
    assert head.startswith("GET /, 4 connections")
    assert columns.split() == ["workers", "replicas", "requests/s", "p50", "p95", "p99", "errors"]
    assert [first.split()[:2], second.split()[:2]] == [["1", "2"], ["2", "2"]]
    assert "best: " in done.stdout
    assert "the same replicas ran with every number of workers (2 of App)" in done.stdout.replace("\n", " ")
    assert "2 of 2: 2 workers" in done.stderr
    assert (cluster.folder / "sweep.png").read_bytes().startswith(b"\x89PNG")
    assert workers(cluster) == 2


def test_what_was_measured_is_kept(cluster: Sandbox) -> None:
    kept = cluster.root / "sweep.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    points = json.loads(kept.read_text())["points"]
    assert [point["workers"] for point in points] == [1, 2]
    assert all(point["ok"] > 0 and point["failed"] == 0 and point["steady"] for point in points)
    assert all(0 < point["p50_ms"] <= point["p95_ms"] <= point["p99_ms"] <= point["max_ms"] for point in points)


def test_replicas_without_room_are_told(cluster: Sandbox) -> None:
    done = cluster.run("perf", "sweep", "--workers", "0", *SHORT, "--url", "/health", "-H", "X-Key: secret", "--json")
    found = json.loads(done.stdout)
    assert found["load"]["headers"] == ["X-Key"]
    assert "secret" not in done.stdout + done.stderr
    assert found["load"]["url"] == "/health"
    assert found["points"][0]["replicas"] == [{"deployment": "App", "running": 1, "target": 2, "autoscaled": False}]
    assert "only 1 of 2 replicas of App ran" in found["notes"][0]
    assert workers(cluster) == 2


def test_an_interrupted_sweep_restores_the_workers(cluster: Sandbox) -> None:
    """SIGTERM is made an interrupt of as Ctrl-C is, so what is true of the one is true of the other."""
    pids = cluster.column("pid")
    process = cluster.popen("perf", "sweep", "--workers", "1,2", "--duration", "60s", "--warm-up", "500ms")
    until(lambda: generators(cluster), what="the load flows")
    assert workers(cluster) == 1
    process.terminate()
    _, errors = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 128 + signal.SIGTERM, errors
    assert "scaling to 2 workers" in errors
    assert workers(cluster) == 2
    assert generators(cluster) == []
    after = cluster.column("pid")
    assert {name: after[name] for name in ("head", "worker-1")} == {name: pids[name] for name in ("head", "worker-1")}


def test_a_sweep_that_is_killed_leaves_no_load_behind(cluster: Sandbox) -> None:
    process = cluster.popen("perf", "sweep", "--workers", "2", "--duration", "60s")
    until(lambda: generators(cluster), what="the load flows")
    process.kill()
    process.communicate(timeout=DEADLINE_S)
    until(lambda: generators(cluster) == [], what="the load ends")


def generators(sandbox: Sandbox) -> list[str]:
    """The pids of the load generators of this sandbox."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command, environment = (folder / "cmdline").read_bytes(), (folder / "environ").read_bytes()
        except OSError:
            continue
        if b"daybreak.extras.sweep.generator" in command and os.fsencode(sandbox.home) in environment:
            found.append(folder.name)
    return found


def test_bad_input_changes_nothing(cluster: Sandbox) -> None:
    before = json.loads(cluster.run("perf", "history", "--json").stdout)
    for args, word in (
        (["--workers", "3..1"], "counts down"),
        (["--workers", "1", "--url", "health"], "--url"),
        (["--workers", "1", "--url", "/nothing-here"], "404"),
        (["--workers", "1", "--method", "POST"], "405"),
        (["--workers", "1", "--body", "missing.json"], "--body"),
        (["--workers", "1", "--header", "no colon"], "--header"),
        (["--workers", "1", "--duration", "soon"], "--duration"),
        (["--workers", "1", "--plot", "sweep.pdf"], ".png or .svg"),
        ([], "--workers"),
    ):
        assert word in cluster.run("perf", "sweep", *args, code=2).stderr
    assert json.loads(cluster.run("perf", "history", "--json").stdout) == before


def test_plots_of_what_was_measured(cluster: Sandbox) -> None:
    cluster.run("restart")
    for args, name in (
        ([], "it-history.png"),
        (["--run", "last"], "it-run-"),
        (["--compare", "1", "last"], "it-runs-1-"),
        (["--workers"], "it-workers.png"),
        (["--sweep"], "it-sweep.png"),
        (["--run", "1", "-o", "one.svg"], "one.svg"),
    ):
        path = cluster.run("perf", "plot", *args).stdout.strip()
        assert path.startswith(name)
        begin = (cluster.folder / path).read_bytes()[:5]
        assert begin == (b"<?xml" if path.endswith(".svg") else b"\x89PNG\r")


def test_plots_that_cannot_be_drawn(cluster: Sandbox) -> None:
    assert "no run 99999" in cluster.run("perf", "plot", "--run", "99999", code=2).stderr
    assert "no number of a run" in cluster.run("perf", "plot", "--run", "first", code=2).stderr
    assert "only one of" in cluster.run("perf", "plot", "--workers", "--sweep", code=2).stderr
    assert "cannot be written" in cluster.run("perf", "plot", "-o", "no/such/folder.png", code=1).stderr
    assert "has been recorded yet" in cluster.run("perf", "plot", "-n", "nobody", code=1).stderr
    assert "no sweep of cluster nobody" in cluster.run("perf", "plot", "--sweep", "-n", "nobody", code=1).stderr


def test_missing_libraries_are_named(cluster: Sandbox, tmp_path: Path) -> None:
    """A folder in front of the installed ones makes them look as if they were not there."""
    assert importlib.util.find_spec("matplotlib")
    code = (
        "import importlib.machinery as m, sys\n" + "sys.modules['matplotlib'] = None\nsys.modules['aiohttp'] = None\n"
    )
    (tmp_path / "sitecustomize.py").write_text(code)
    bare = Sandbox(cluster.folder, cluster.home, cluster.runtime, cluster.offset, env={"PYTHONPATH": search(tmp_path)})
    plot = bare.run("perf", "plot", code=1)
    assert "plots need matplotlib" in plot.stderr
    assert "-m pip install 'matplotlib>=3.8'" in plot.stderr
    assert "Traceback" not in plot.stderr
    sweep = bare.run("perf", "sweep", "--workers", "1", code=1)
    assert "-m pip install 'aiohttp>=3.9'" in sweep.stderr


def search(first: Path) -> str:
    rest = os.environ.get("PYTHONPATH")
    return f"{first}:{rest}" if rest else str(first)


def test_a_sweep_needs_a_running_application(cluster: Sandbox) -> None:
    cluster.run("down")
    assert "is not running" in cluster.run("perf", "sweep", "--workers", "1", code=1).stderr
    assert "perf plot" not in cluster.run("perf", "plot").stderr
