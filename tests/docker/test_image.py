"""An image of Ray 2.60.0: what is in it, what is not, how it starts, stops and tells its health."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from daybreak.docker import labels
from daybreak.docker.images.build import facts
from tests.docker.helpers import HEALTH, Project, container, daybreak, succeeds, tag
from tests.helpers import until

LARGEST = 400_000_000
# Unpicking what runs needs no `ps`: a slim image has none.
KILL_GCS = "import psutil; [p.kill() for p in psutil.process_iter() if p.name() == 'gcs_server']"


def test_it_is_small(bare: Project) -> None:
    found = bare.engine.inspect(bare.tag)
    assert found["Size"] <= LARGEST


def test_it_runs_as_ray_and_has_no_tools(bare: Project) -> None:
    found = bare.engine.inspect(bare.tag)["Config"]
    assert found["User"] == "ray"
    assert bare.run("id", "-u") == "1000"
    code = """
import importlib.util, json, os, shutil
print(json.dumps([shutil.which(name) for name in ("pip", "gcc", "cc", "make", "curl")]
 + [importlib.util.find_spec("pip"), os.access("/opt/ray", os.W_OK), os.path.exists("/root/.cache")]))
"""
    assert json.loads(bare.run("python", "-c", code)) == [None] * 6 + [False, False]


def test_what_a_cluster_needs_can_be_imported(bare: Project) -> None:
    code = "import ray, ray.serve, numpy, fastapi, ray.dashboard.dashboard; print(ray.__version__)"
    assert bare.run("python", "-W", "error::ImportWarning", "-c", code) == "2.60.0"
    haproxy = json.loads(bare.run("cat", labels.RAY_FILE))["haproxy"]
    assert "HAProxy" in bare.run(haproxy, "-v")


def test_modules_are_compiled(bare: Project) -> None:
    """Also Python's own, which a slim image has uncompiled."""
    code = """
import ray.serve, sys, os
compiled = {name: getattr(module, "__cached__", None) for name, module in sys.modules.items()}
lacking = [name for name, path in compiled.items() if path and not os.path.exists(path)]
print(len(lacking), lacking)
"""
    assert bare.run("python", "-c", code).startswith("0 ")


def test_the_label_says_what_the_file_says(bare: Project) -> None:
    found = bare.engine.inspect(bare.tag)["Config"]["Labels"]
    ray = labels.ray_of(found)
    assert ray is not None
    assert ray == facts(bare.engine, bare.tag)
    assert (ray["version"], ray["missing"], ray["python"]) == ("2.60.0", {}, "/opt/ray/bin/python")
    assert bare.run("test", "-x", ray["python"]) == ""
    assert found["org.opencontainers.image.title"]
    assert found[labels.CLUSTER]


def test_its_weight_is_shown(bare: Project) -> None:
    found = json.loads(daybreak(bare.folder, "image", "size", bare.tag, "--json"))
    assert sum(layer["bytes"] for layer in found["layers"]) == pytest.approx(found["bytes"], rel=0.01)
    assert found["packages"][0]["name"] == "ray"
    table = daybreak(bare.folder, "image", "size", bare.tag)
    assert "COPY /opt/ray /opt/ray" in table
    assert "ray 2.60.0" in table


def test_a_change_of_code_makes_the_last_layer_only(bare: Project, tmp_path: Path) -> None:
    project = Project(tmp_path, bare.engine, tag("code"), bare.constraints)
    (tmp_path / "app.py").write_text("text = 'one'\n")
    project.build("--ray-version", "2.60.0")
    before = project.layers()
    assert before[:-1] == bare.layers()[:-1]
    try:
        (tmp_path / "app.py").write_text("text = 'two'\n")
        built = project.build("--ray-version", "2.60.0")
        after = project.layers()
        print(f"a change of code: {built['made']} steps made, {built['unchanged']} unchanged")
        assert after[:-1] == before[:-1]
        assert after[-1] != before[-1]
        code = "import app, os; print(app.text, os.path.exists(app.__cached__))"
        assert project.run("python", "-c", code) == "two True"
        project.build("--ray-version", "2.60.0")
        assert project.layers() == after
    finally:
        project.remove()


def test_a_head_is_healthy_until_its_gcs_has_gone(bare: Project) -> None:
    engine = bare.engine
    command = ("ray", "start", "--head", "--block", "--num-cpus=1", "--disable-usage-stats")
    with container(engine, bare.tag, *command, options=("--shm-size", "256m", "--network", "none")) as head:
        assert not succeeds(engine, head, *HEALTH)
        until(lambda: succeeds(engine, head, *HEALTH), what="healthy by the program")
        state = "{{.State.Health.Status}}"
        until(lambda: engine.ask("inspect", "--format", state, head) == "healthy", what="healthy by the engine")
        engine.ask("exec", head, "python", "-c", "import ray.thirdparty_files, ray\n" + KILL_GCS)
        until(lambda: not succeeds(engine, head, *HEALTH), what="a GCS that was killed has gone")


def test_the_first_process_hands_signals_on(bare: Project) -> None:
    engine = bare.engine
    code = "import signal, sys; signal.signal(15, lambda *_: sys.exit(7)); print('up', flush=True); signal.pause()"
    with container(engine, bare.tag, "python", "-c", code, options=("--network", "none")) as one:
        until(lambda: engine.ask("logs", one) == "up", what="its first line")
        assert "dumb-init" in engine.ask("exec", one, "cat", "/proc/1/cmdline")
        engine.ask("stop", "--time", "50", one)
        assert engine.ask("inspect", "--format", "{{.State.ExitCode}}", one) == "7"
