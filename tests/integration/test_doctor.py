"""The real command: on a healthy machine, with a running cluster, after its head was killed, with a taken port."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import signal
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daybreak.backends.process import procfs
from daybreak.cli.doctor.gathering import gather
from daybreak.extras.doctor import runner
from daybreak.extras.doctor.registry import DIAGNOSES
from daybreak.paths import HOME, RUNTIME
from tests.helpers import DEADLINE_S, until
from tests.integration.conftest import APP, RAY_RELEASE, Sandbox

pytestmark = pytest.mark.ray

SPEC = """
workers: {count: 0}
serve: {applications: [{import: "app:main"}]}
"""
# What depends on the machine that the tests run on, and not on the sandbox.
OF_THE_MACHINE = {"memory", "shm", "cgroup", "limits", "disk", "slow-disk", "hostname", "ipv6", "docker", "orphans"}
# Before 2.52 Ray has no token, which is told wherever it runs.
OF_THE_MACHINE |= {"exposed"} if RAY_RELEASE < (2, 52) else set()
BAD = ("warning", "error")
FOUND = re.compile(r"^(?:warning|error): ([a-z0-9-]+): ", re.MULTILINE)


def looked(sandbox: Sandbox, *words: str, code: int = 0) -> dict[str, dict[str, Any]]:
    """The diagnoses by name."""
    raw = json.loads(sandbox.run("doctor", "--json", *words, code=code).stdout)
    return {diagnosis["name"]: diagnosis for diagnosis in raw["diagnoses"]}


def bad(found: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    """What is worse than a note, by diagnosis."""
    return {
        name: [finding["found"] for finding in diagnosis["findings"]]
        for name, diagnosis in found.items()
        if diagnosis["severity"] in BAD
    }


def healthy(sandbox: Sandbox) -> bool:
    """Nothing of the cluster is wrong, and then there is one line; False where the machine has faults of its own."""
    found = bad(looked_whatever(sandbox))
    assert set(found) <= OF_THE_MACHINE, found
    if not found:
        done = sandbox.run("doctor")
        assert done.stderr == ""
        # The machine may have got a fault between the two.
        found = {name: [] for name in FOUND.findall(done.stdout)}
        assert set(found) <= OF_THE_MACHINE, done.stdout
        assert found or (len(done.stdout.splitlines()) == 1 and "healthy" in done.stdout), done.stdout
    return not found


def not_made(sandbox: Sandbox) -> dict[str, str]:
    """The diagnoses that cannot be made here, and why: the command's own deadlines are those of a machine with time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(sandbox.folder)
        patch.setenv(HOME, str(sandbox.home))
        patch.setenv(RUNTIME, str(sandbox.runtime))
        case = gather(None, None, None, None)
        results = runner.run(case, [replace(one, deadline_s=DEADLINE_S) for one in DIAGNOSES])
    return {result.diagnosis.name: result.findings[0].found for result in results if not result.made}


@pytest.mark.one_ray
def test_nothing_is_started_or_written(sandbox: Sandbox) -> None:
    sandbox.write(SPEC, app_py=APP)
    before = sorted(path for place in (sandbox.folder, sandbox.home, sandbox.runtime) for path in place.rglob("*"))
    looked(sandbox)
    after = sorted(path for place in (sandbox.folder, sandbox.home, sandbox.runtime) for path in place.rglob("*"))
    assert after == before
    for process in procfs.processes():
        home = procfs.environment(process.pid, ("DAYBREAK_HOME",)).get("DAYBREAK_HOME")
        assert home != str(sandbox.home), procfs.command_line(process.pid)


def test_a_healthy_machine_is_one_line_with_a_spec_and_without(sandbox: Sandbox) -> None:
    sandbox.write(SPEC, app_py=APP)
    with_a_spec = healthy(sandbox)
    names = [line.split()[1] for line in sandbox.run("doctor", "-v").stdout.splitlines() if not line.startswith(" ")]
    assert list(dict.fromkeys(names[:-1])) == list(looked(sandbox))
    assert not_made(sandbox) == {}
    (sandbox.folder / "daybreak.yaml").unlink()
    if not (healthy(sandbox) and with_a_spec):
        pytest.skip("this machine has faults of its own")


@pytest.mark.one_ray
def test_a_taken_port_is_an_error_with_its_owner_and_a_way_out(sandbox: Sandbox) -> None:
    sandbox.write(SPEC, app_py=APP)
    with socket.create_server(("127.0.0.1", 8000 + sandbox.offset)):
        done = sandbox.run("doctor", "ports", code=1)
        assert f"error: ports: port {8000 + sandbox.offset} (Serve) is in use by" in done.stdout
        assert f"(pid {os.getpid()})" in done.stdout
        way_out = done.stdout.split("--port-offset ")[1].split()[0]
        assert looked(sandbox, "ports", "--port-offset", way_out)["ports"]["severity"] == "ok"


@pytest.mark.one_ray
def test_an_invalid_spec_is_an_error_and_wrong_usage_is_not(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.write("workers: {cuont: 3}\n")
    assert "workers.cuont: unknown key (did you mean 'count'?)" in sandbox.run("doctor", "spec", code=1).stdout
    assert "there are: spec, versions" in sandbox.run("doctor", "spell", code=2).stderr
    sandbox.run("doctor", "-f", str(tmp_path / "nowhere.yaml"), code=2)
    sandbox.run("doctor", "--prune", "ports", code=2)


@pytest.mark.one_ray
def test_names_are_completed(sandbox: Sandbox) -> None:
    sandbox.env |= {"_DAYBREAK_COMPLETE": "bash_complete", "COMP_WORDS": "daybreak doctor sl", "COMP_CWORD": "2"}
    assert sandbox.run().stdout.split() == ["plain,slow-start", "plain,slow-disk"]


def test_a_running_cluster_then_without_its_keeper_then_without_its_head(shared: Sandbox) -> None:
    shared.write(SPEC, app_py=APP)
    shared.run("up")

    def all_is_well() -> bool:
        """Not at once on a machine that is busy: what answers a diagnosis has 2 s."""
        healthy(shared)
        found = looked_whatever(shared)
        assert found["keeper"]["findings"][0]["found"] == f"pid {shared.status()['keeper_pid']} answers"
        assert found["ports"]["findings"][0]["found"].startswith("free, or its own: ")
        assert found["head"]["findings"][0]["found"] == "healthy"
        assert found["serve"]["findings"][0]["found"] == "deployed"
        return True

    until(all_is_well, what="all is called well")
    raylet = shared.pid_of("head", "raylet")
    os.kill(shared.status()["keeper_pid"], signal.SIGKILL)
    found = until(lambda: bad(looked_whatever(shared)).get("keeper"), what="the keeper is missed")
    assert "without a keeper: " in found[0]
    assert "head" in found[0]

    os.kill(raylet, signal.SIGKILL)
    done = until(lambda: shared.run("doctor", "head", code=1), what="the raylet is missed")
    assert done.stdout.startswith("error: head: the ")
    assert "of head has ended" in done.stdout
    assert "mend: daybreak up" in done.stdout
    assert "orphans" not in bad(looked(shared, code=1)), "its processes are recorded, so they are nobody's orphans"

    shared.run("up")
    until(lambda: [healthy(shared)], what="nothing of it is called wrong any more")


@pytest.mark.one_ray
def test_a_head_that_dies_is_told_while_the_keeper_brings_it_back(shared: Sandbox) -> None:
    os.kill(shared.pid_of("head", "gcs_server"), signal.SIGKILL)

    def said(words: str) -> str:
        """The severity with which it is; nothing as long as it is not."""
        head = looked_whatever(shared, "head")["head"]
        return str(head["severity"]) if any(words in finding["found"] for finding in head["findings"]) else ""

    # Until the keeper knows, it is said that the GCS does not answer.
    assert until(lambda: said("head is "), what="the head is missed") in BAD
    shared.run("wait", "--timeout", "90s")
    assert until(lambda: said("was started again"), what="it is told") == "note"


def test_a_gcs_that_hangs_is_told(shared: Sandbox) -> None:
    gcs = shared.pid_of("head", "gcs_server")
    os.kill(gcs, signal.SIGSTOP)
    try:
        done = until(lambda: shared.run("doctor", "head", code=1), what="the GCS is missed")
        assert done.stdout.startswith("error: head: the GCS does not answer: ")
    finally:
        os.kill(gcs, signal.SIGCONT)


@pytest.mark.one_ray
def test_a_keeper_that_hangs_is_told(shared: Sandbox) -> None:
    keeper = shared.status()["keeper_pid"]
    os.kill(keeper, signal.SIGSTOP)
    try:
        (finding,) = looked(shared, "keeper", code=1)["keeper"]["findings"]
        assert "has not answered for 2 s" in finding["found"]
        assert finding["mend"]
    finally:
        os.kill(keeper, signal.SIGCONT)


# What an upgrade leaves: the command and the interpreter's metadata are new, what runs is not.
UPGRADED = "import daybreak\ndaybreak.__version__ = '9.9.9'\n"


@pytest.mark.one_ray
def test_versions_that_were_installed_since_are_told(shared: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(UPGRADED)
    (tmp_path / "ray-9.9.9.dist-info").mkdir()
    (tmp_path / "ray-9.9.9.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: ray\nVersion: 9.9.9\n")
    search = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))
    upgraded = replace(shared, env={**shared.env, "PYTHONPATH": search})
    told = bad(looked(upgraded, "versions"))["versions"]
    assert told[0] == f"the cluster runs Ray {importlib.metadata.version('ray')}, Ray 9.9.9 is installed now"
    assert told[1].endswith("this command is 9.9.9")
    assert bad(looked(shared, "versions")) == {}


def looked_whatever(sandbox: Sandbox, *words: str) -> dict[str, dict[str, Any]]:
    """The diagnoses, whatever the exit code."""
    started = sandbox.popen("doctor", "--json", *words)
    raw = json.loads(started.communicate(timeout=120)[0])
    return {diagnosis["name"]: diagnosis for diagnosis in raw["diagnoses"]}
