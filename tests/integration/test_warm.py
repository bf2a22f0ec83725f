"""The warm start on a real cluster: what is forked, what happens when the template is killed, what it learns."""

from __future__ import annotations

import ast
import json
import os
import signal
import sqlite3
import sys
import threading
import urllib.error
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import pytest

import daybreak
from daybreak.backends.process import procfs
from tests.helpers import until
from tests.integration.conftest import APP, Sandbox

pytestmark = pytest.mark.ray

# Libraries read these when they are imported: all nodes have them, so the template has them, too.
SPEC = """
head: {env: {PROMETHEUS_DISABLE_CREATED_SERIES: "true", OMP_PROC_BIND: "false", OWN: "head"}}
workers: {count: 1, env: {PROMETHEUS_DISABLE_CREATED_SERIES: "true", OMP_PROC_BIND: "false"}}
serve:
  applications: [{import: "app:main"}]
  health: /health
"""
WARM = "warm: {modules: [threaded, colorsys]}\n"
SPEC += WARM
# What cannot be forked any more once it has been imported.
THREADED = "import threading, time\nthreading.Thread(target=time.sleep, args=(1000,), daemon=True).start()\n"
# Neither Ray nor the template imports this one.
LEARNING_APP = APP.replace(
    'return {"pid"',
    'import sys, wave\n        return {"wave": wave.__name__, "path": sys.path, "env": dict(os.environ), "pid"',
)

# One task on each node prints a line; the driver ends when Ray has shown both, or a minute later.
SAYING = """
import sys, time, ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

class Shown:
    def __init__(self, stream):
        self.stream, self.text = stream, ""
    def write(self, text):
        self.text += text
        return self.stream.write(text)
    def __getattr__(self, name):
        return getattr(self.stream, name)

sys.stdout = Shown(sys.stdout)
ray.init()

@ray.remote(num_cpus=0)
def say(word):
    print("here is", word, flush=True)

nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
# Words: lines that differ in a number alone are one line to Ray's driver, which shows it again at its end.
words = ["zero", "one"][: len(nodes)]
ray.get([
    say.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote(word)
    for word, node in zip(words, nodes)
])
deadline = time.monotonic() + 60
while time.monotonic() < deadline and not all(f"here is {word}" in sys.stdout.text for word in words):
    time.sleep(0.05)
"""

ASKING = """
import os, sys, ray
ray.init(runtime_env={"working_dir": "sent"})

@ray.remote(num_cpus=0, runtime_env={"env_vars": {"A": "b"}})
def look():
    return "\\n".join([open("note.txt").read(), os.environ["A"], sys.executable, str(os.getppid())])

@ray.remote(num_cpus=0, runtime_env={"env_vars": {"PROMETHEUS_MULTIPROC_DIR": os.getcwd()}})
def read_when_imported():
    import prometheus_client.metrics, prometheus_client.values
    return prometheus_client.values.ValueClass.__name__, prometheus_client.metrics._use_created

print(ray.get(look.remote()))
print(ray.get(read_when_imported.remote()))
"""
# Between two requests: more would keep a processor busy that the rest needs.
PACE_S = 0.02
AGENTS_MAY_WAIT = tuple(map(int, version("ray").split(".")[:2])) >= (2, 60)


@pytest.fixture(scope="module")
def warm(shared: Sandbox) -> Sandbox:
    """A cluster with one worker, whose template was there before."""
    shared.write(SPEC, app_py=LEARNING_APP, threaded_py=THREADED)
    shared.run("prewarm")
    shared.run("prewarm")
    instance = shared.column("instance")
    assert list(instance) == ["warm"]
    shared.run("up")
    assert shared.column("instance")["warm"] == instance["warm"]
    return shared


def template_pid(sandbox: Sandbox) -> int:
    return int(sandbox.services()["warm"]["pid"])


def kill_template(sandbox: Sandbox) -> int:
    pid = template_pid(sandbox)
    os.kill(pid, signal.SIGKILL)
    return pid


def until_another_template(sandbox: Sandbox, old: int) -> None:
    def back() -> bool:
        row = sandbox.services()["warm"]
        return row["state"] == "ready" and row["pid"] not in (None, old)

    until(back, what="another template is ready")


def command_lines(sandbox: Sandbox) -> list[str]:
    """Those of the forks; one that ends just now, as a driver's workers do after it, has none."""
    return [line for pid in sandbox.forks() if (line := procfs.command_line(pid))]


def notes(sandbox: Sandbox) -> list[str]:
    """Texts in the timeline that say what was started cold."""
    with sqlite3.connect(sandbox.root / "timeline.db") as store:
        rows = store.execute("select data from events where kind = 'note'").fetchall()
    return [text for (data,) in rows if "cold" in (text := str(json.loads(data).get("text", "")))]


@contextmanager
def asking(sandbox: Sandbox) -> Iterator[list[str]]:
    """Meanwhile requests are sent, the next a moment after each answer; what went wrong is in the list."""
    wrong: list[str] = []
    done = threading.Event()

    def ask() -> None:
        while not done.wait(PACE_S):
            try:
                sandbox.get("/health")
            except (OSError, urllib.error.URLError) as error:
                wrong.append(repr(error))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield wrong
    finally:
        done.set()
        thread.join()


def test_every_python_process_of_ray_is_a_fork(warm: Sandbox) -> None:
    assert notes(warm) == []
    # One for each node; they take the place of `ray start` a moment after it.
    until(lambda: "\n".join(command_lines(warm)).count("programs/node/watch.py") == 2, what="nodes are watched")
    titles = "\n".join(command_lines(warm))
    for part in (
        "dashboard.py",
        "log_monitor.py",
        "gent",
        "ray::ServeController",
        "ray::ServeRepl",
    ):
        assert part in titles, titles
    assert len(os.listdir(f"/proc/{template_pid(warm)}/task")) == 1


def test_prewarm_has_started_the_template_alone_and_up_was_a_warm_start(warm: Sandbox) -> None:
    """What the fixture has asserted; the history tells it, too."""
    runs = json.loads(warm.run("perf", "history", "--json").stdout)["runs"]
    (startup,) = [run for run in runs if run["kind"] == "startup"]
    assert startup["warm"] is True


def test_a_module_that_starts_threads_is_left_out(warm: Sandbox) -> None:
    assert len(os.listdir(f"/proc/{template_pid(warm)}/task")) == 1
    assert "threaded is left out from now on: it starts threads" in warm.run("logs", "warm").stdout


def test_a_restart_keeps_the_template_which_learns_what_the_application_imports(warm: Sandbox) -> None:
    before = warm.column("instance")
    warm.get("/")
    warm.run("restart", "--in-place")  # after every run it looks at what was imported
    after = warm.column("instance")
    assert after["warm"] == before["warm"]
    assert after["head"] != before["head"]
    learned = warm.root / "warm" / "learned.json"
    until(lambda: "wave" in json.loads(learned.read_text())["modules"], what="the module is learned")
    assert not {"app", "ray"} & set(json.loads(learned.read_text())["modules"])


def test_nothing_of_daybreaks_own_is_on_a_replicas_search_path(warm: Sandbox) -> None:
    """Libraries that lie beside daybreak would come before Ray's, and its programs before the user's modules."""
    package = Path(daybreak.__file__).parent
    found = warm.get("/")
    given = found["env"]["PYTHONPATH"].split(":")
    assert given[0] == str(warm.folder)
    assert str(package.parent) not in given
    assert not [entry for entry in found["path"] if Path(entry).is_relative_to(package)]


def test_what_tasks_print_reaches_the_driver_from_every_node(warm: Sandbox) -> None:
    """There is one log monitor, and each node has a folder for its logs."""
    (warm.folder / "say.py").write_text(SAYING)
    said = warm.run("run", "--", "python", "say.py").stdout
    assert "here is zero" in said
    assert "here is one" in said
    monitors = [line for line in command_lines(warm) if "log_monitor.py" in line]
    assert len(monitors) == 1, monitors


def test_agents_for_runtime_environments_start_when_one_is_asked_for(warm: Sandbox) -> None:
    def agents() -> int:
        return sum("RuntimeEnvAgent" in line for line in command_lines(warm))

    (warm.folder / "asks.py").write_text(ASKING)
    (warm.folder / "sent").mkdir()
    (warm.folder / "sent" / "note.txt").write_text("from the driver")
    before = agents()
    said = warm.run("run", "--", "python", "asks.py").stdout
    # The worker has the real interpreter's name, and comes from the template all the same.
    assert said.split("\n")[:4] == ["from the driver", "b", sys.executable, str(template_pid(warm))]
    # What a library reads when it is imported is what the task asks for, and what its node has.
    assert ast.literal_eval(said.split("\n")[4]) == ("MmapedValue", False)
    if AGENTS_MAY_WAIT:
        assert before == 0
        assert agents() >= 1


def test_no_request_fails_and_scaling_goes_on_when_the_template_is_killed(warm: Sandbox) -> None:
    before, old = warm.column("instance"), template_pid(warm)
    with asking(warm) as wrong:
        scaling = warm.popen("scale", "3")
        until(lambda: "worker-2" in warm.services(), what="the new workers are wanted")
        kill_template(warm)
        out, err = scaling.communicate(timeout=120)
        until_another_template(warm, old)
    assert scaling.returncode == 0, out + err
    assert wrong == []
    after = warm.column("instance")
    assert {name: after[name] for name in before if name != "warm"} == {
        name: before[name] for name in before if name != "warm"
    }
    assert {"worker-2", "worker-3"} <= set(after)
    assert warm.status()["state"] == "ready"
    assert warm.get("/health") == {"ok": True}


def test_a_start_survives_a_killed_template(warm: Sandbox) -> None:
    # Those that were forked from the one that was killed end with everything else.
    warm.run("down")
    assert warm.processes() == []
    starting = warm.popen("up", "1")
    until(lambda: "serve" in warm.services() and warm.services()["head"]["pid"], what="the head is starting")
    kill_template(warm)
    out, err = starting.communicate(timeout=180)
    assert starting.returncode == 0, out + err
    assert warm.get("/health") == {"ok": True}
    until(lambda: warm.services()["warm"]["state"] == "ready", what="the template is back")


def test_a_template_that_down_leaves_makes_the_next_start_warm_and_ends_by_itself(sandbox: Sandbox) -> None:
    sandbox.write(SPEC, app_py=LEARNING_APP, threaded_py=THREADED)
    sandbox.run("up")
    template = sandbox.column("instance")["warm"]
    assert "the template stays for 10m 00s" in sandbox.run("down", "--keep-warm").stderr
    assert sandbox.column("instance") == {"warm": template}
    until(lambda: not sandbox.forks(), what="nothing is left that was forked")
    assert "the warm template is kept until" in sandbox.run("status").stdout
    sandbox.run("up")
    assert sandbox.column("instance")["warm"] == template
    runs = json.loads(sandbox.run("perf", "history", "--json").stdout)["runs"]
    assert sorted(run["warm"] for run in runs if run["kind"] == "startup") == [False, True]
    keeper = sandbox.status()["keeper_pid"]
    pid = template_pid(sandbox)
    sandbox.run("down", "--keep-warm", "1s")
    until(lambda: not any(procfs.read(one) for one in (pid, keeper)), what="template and keeper have ended")
    assert not sandbox.services()


def test_it_can_be_switched_off(sandbox: Sandbox) -> None:
    sandbox.write(SPEC.replace(WARM, "warm: false\ndashboard: false\n"), app_py=APP)
    sandbox.run("up")
    assert "warm" not in sandbox.services()
    assert sandbox.forks() == {}
    assert "switched off" in sandbox.run("prewarm", code=2).stderr
    assert "nothing was stopped" in sandbox.run("down", "--keep-warm", code=2).stderr
    assert sandbox.services()["serve"]["state"] == "ready"
