"""What a failed test's report says of the clusters that ran."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from daybreak.backends.process.procfs import CLUSTER_MARKER, MARKER
from daybreak.timeline.event import Event, Kind
from daybreak.timeline.store import Store
from tests import evidence

ROOT = Path(__file__).parents[2]
# A test that fails beside a witness whose fixture forgets everything at its end.
FAILING = """
import pytest

from tests import evidence


@pytest.fixture
def cluster():
    logs = ["the raylet ended"]
    evidence.watch("a cluster", lambda: logs[0])
    yield
    evidence.unwatch("a cluster")
    logs.clear()


@pytest.fixture
def broken(cluster):
    raise OSError("broken")


def test_fails(cluster):
    raise AssertionError


def test_passes(cluster):
    pass


def test_is_not_begun(broken):
    pass


@pytest.fixture
def ends_badly():
    yield
    with evidence.kept(lambda: "what was there at its end"):
        raise OSError("it does not end")


def test_ends(ends_badly):
    pass
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "state"
    (made / "logs").mkdir(parents=True)
    return made


@pytest.fixture
def child(root: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process with the cluster's marker that has a child nobody has waited for."""
    ended = "os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)"
    code = f"import os, sys; os.fork() or os._exit(0); {ended}; print(flush=True); sys.stdin.read()"
    env = {**os.environ, MARKER: "head-1", CLUSTER_MARKER: str(root)}
    command = [sys.executable, "-c", code, "a-word-of-its-own"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env) as running:
        assert running.stdout is not None
        running.stdout.readline()
        yield running


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_the_tails_of_all_logs_are_there(root: Path, tmp_path: Path) -> None:
    runtime = tmp_path / "run"
    logs = "session_2026-11-29/logs"
    write(root / "logs/keeper.log", "".join(f"line {number}\n" for number in range(100)))
    write(runtime / "abc/warm/ends", "31100 -11\n")
    write(runtime / "abc/head/session_2026-11-28/logs/raylet.out", "of the session before")
    write(runtime / "abc/head" / logs / "raylet.out", "x" * 2 * evidence.LONGEST_LINE)
    write(runtime / "abc/head" / logs / "agent-424238335.err", "Segmentation fault")
    write(runtime / "abc/worker-1" / logs / "raylet.err", "".join(f"worker {number}\n" for number in range(100)))
    write(runtime / "abc/head" / logs / "raylet.1.out", "of a worker beside it")
    write(runtime / "abc/head" / logs / "old/raylet.out", "not asked for")
    lines = evidence.of_cluster(root, runtime).splitlines()
    for name, most in (("line", evidence.LINES), ("worker", evidence.FEW_LINES)):
        wanted = [f"{name} {number}" for number in range(100 - most, 100)]
        assert [line for line in lines if line.startswith(name)] == wanted
    for text in (
        "31100 -11",
        "of the session before",
        "of a worker beside it",
        "Segmentation fault",
        "x" * evidence.LONGEST_LINE,
    ):
        assert text in lines
    assert "not asked for" not in lines


def test_the_last_events_are_there(root: Path, tmp_path: Path) -> None:
    store = Store(root / "timeline.db")
    store.add(Event(Kind.EXITED, 1.0, 1.5, "head", data={"exit_code": 1, "reason": "its agent\nended"}))
    store.close()
    assert "exited head exit_code=1 reason=its agent ended" in evidence.of_cluster(root, tmp_path / "run")


def test_processes_are_there_with_those_that_have_ended(
    root: Path, tmp_path: Path, child: subprocess.Popen[bytes]
) -> None:
    lines = evidence.of_cluster(root, tmp_path / "run").splitlines()
    of_child = [line.split() for line in lines if line.startswith(f"{child.pid} ")]
    assert [line[-1] for line in of_child] == ["a-word-of-its-own"]
    assert [line.split()[3] for line in lines if f" {child.pid} " in line] == ["Z"]


def test_what_cannot_be_told_costs_nothing_else(root: Path, tmp_path: Path) -> None:
    write(root / "logs/keeper.log", "the keeper")
    (root / "timeline.db").mkdir()
    told = evidence.of_cluster(root, tmp_path / "run")
    assert "the keeper" in told
    assert "--- the processes" in told


def test_a_failed_test_has_it_in_its_report(tmp_path: Path) -> None:
    write(tmp_path / "test_it.py", FAILING)
    words = [
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "tests.conftest",
        "-c",
        "/dev/null",
        "--rootdir",
        str(tmp_path),
    ]
    done = subprocess.run(
        [sys.executable, *words, str(tmp_path / "test_it.py")],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
    )
    found = f"{done.stdout}\n{done.stderr}"
    assert done.stdout.count("evidence of a cluster ---") == 2, found
    assert done.stdout.count("\nthe raylet ended\n") == 2, found
    assert "what was there at its end\n" in done.stdout, found
