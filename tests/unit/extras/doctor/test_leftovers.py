"""Orphans, locks and sockets: real processes, real files."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from daybreak.backends.process import procfs
from daybreak.extras.doctor.diagnoses import orphans, stale
from daybreak.extras.doctor.diagnoses.locks import holder_of, listening_sockets
from daybreak.extras.doctor.finding import Finding, Severity
from daybreak.paths import ClusterPaths
from tests.helpers import until
from tests.unit.extras.doctor.conftest import MakeCase, as_root, family, of, process, record

RAYLET = "/opt/ray/core/src/ray/raylet/raylet"
GCS = "/opt/ray/core/src/ray/gcs/gcs_server"


@contextmanager
def bound() -> Iterator[socket.socket]:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        yield made


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only this test's processes are looked at: others that run on this machine meanwhile have orphans of their own."""
    everything = procfs.processes

    def ours() -> list[procfs.Process]:
        rows = list(everything())
        pids = family(rows)
        return [row for row in rows if row.pid in pids]

    monkeypatch.setattr(procfs, "processes", ours)


def about(findings: list[Finding], *pids: int) -> list[Finding]:
    """The findings that name one of these processes: others on this machine are not this test's."""
    wanted = {str(pid) for pid in pids}
    return [found for found in findings if wanted & {*re.findall(r"\d+", " ".join((found.found, *found.mend)))}]


def look(make_case: MakeCase, *started: subprocess.Popen[bytes]) -> list[Finding]:
    return about(list(orphans.look(make_case(), youngest_s=0.0)), *(one.pid for one in started))


def test_a_strangers_raylet_whose_gcs_is_gone(make_case: MakeCase) -> None:
    with bound() as place:
        address = f"127.0.0.1:{place.getsockname()[1]}"
        with process(RAYLET, f"--gcs-address={address}") as raylet:
            found = of(look(make_case, raylet), Severity.WARNING)
            assert f"raylet ({raylet.pid})" in found.found
            assert "somebody else's" in found.found
            kill = next(line for line in found.mend if line.startswith("kill "))
            assert str(raylet.pid) in kill.split()
            place.listen()  # its GCS is there, so it is somebody's cluster
            assert look(make_case, raylet) == []


def test_a_raylet_of_another_machines_gcs_is_left_alone(make_case: MakeCase) -> None:
    with process(RAYLET, "--gcs-address=192.0.2.7:6379") as raylet:
        assert look(make_case, raylet) == []


def test_a_worker_whose_raylet_is_gone(make_case: MakeCase) -> None:
    with process("sh") as shell:
        assert orphans.WORKER.search("ray::IDLE")
        left = orphans.MarkedProcess(_named(shell.pid, parent=1), "ray::IDLE", "", "")
        kept = orphans.MarkedProcess(_named(shell.pid, parent=os.getpid()), "ray::IDLE", "", "")
        rows = {os.getpid(): orphans.MarkedProcess(_named(os.getpid(), parent=1), "raylet", "", "")}
        assert orphans._is_left(left, rows, set())
        assert not orphans._is_left(kept, rows, set())


def test_our_own_without_a_record(make_case: MakeCase, paths: ClusterPaths) -> None:
    marks = {"DAYBREAK_CLUSTER_ROOT": str(paths.root), "DAYBREAK_INSTANCE": "head-instance"}
    with process(GCS, "--gcs_server_port=1", env=marks) as started:
        found = of(look(make_case, started), Severity.WARNING)
        assert f"1 process of cluster it left behind: gcs_server ({started.pid})" in found.found
        assert found.mend == ("daybreak down",)
        record(paths, "head", started.pid)
        assert look(make_case, started) == []


def test_our_own_of_other_clusters(make_case: MakeCase, tmp_path: Path) -> None:
    home, gone = tmp_path / "home/other", tmp_path / "gone/lost"
    home.mkdir(parents=True)
    (tmp_path / "elsewhere/far").mkdir(parents=True)
    for root, mend in (
        (home, "daybreak down -n other"),
        (tmp_path / "elsewhere/far", f"DAYBREAK_HOME={tmp_path}/elsewhere daybreak down -n far"),
        (gone, None),
    ):
        marks = {"DAYBREAK_CLUSTER_ROOT": str(root), "DAYBREAK_INSTANCE": "x"}
        with process("postgres", env=marks) as started:
            found = of(look(make_case, started), Severity.WARNING)
            assert found.mend == (mend or f"kill -9 {started.pid}",)


@as_root
def test_processes_of_a_cluster_whose_state_folder_is_not_to_be_seen_from_here(
    make_case: MakeCase, paths: ClusterPaths, tmp_path: Path
) -> None:
    """In a mount namespace of its own, where it is recorded and healthy; but not where it sees what we see."""
    state = tmp_path / "state"
    state.mkdir()
    hidden = f"mount -t tmpfs none {state} && mkdir -p {state}/far/services && echo there && read line"
    for root, seen in ((state / "far", False), (paths.root, True)):
        marks = {"DAYBREAK_CLUSTER_ROOT": str(root), "DAYBREAK_INSTANCE": "x", "PATH": os.environ["PATH"]}
        apart = ["unshare", "--mount", "sh", "-c", hidden]
        with subprocess.Popen(apart, env=marks, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as started:
            assert started.stdout
            assert started.stdout.readline() == b"there\n"
            assert bool(look(make_case, started)) is seen
            started.communicate(b"\n")


def test_a_fork_whose_launcher_is_gone(make_case: MakeCase, paths: ClusterPaths) -> None:
    """Its environment tells nothing, the files of the template that it came from do."""
    paths.forks.mkdir(parents=True)
    with process("ray::IDLE") as fork, process("launcher") as launcher:
        record(paths, "head", launcher.pid)
        ticks = [procfs.read(one.pid).started_ticks for one in (fork, launcher)]  # type: ignore[union-attr]
        text = f"{ticks[0]}\n{launcher.pid}\n{ticks[1]}\nhead-instance\n"
        (paths.forks / str(fork.pid)).write_text(text)
        assert look(make_case, fork) == []
        launcher.kill()
        launcher.wait()
        found = of(look(make_case, fork), Severity.WARNING)
    assert f"1 process of cluster it left behind: sh ({fork.pid})" in found.found


def test_what_was_started_this_moment_is_about_to_be_recorded(make_case: MakeCase, paths: ClusterPaths) -> None:
    marks = {"DAYBREAK_CLUSTER_ROOT": str(paths.root), "DAYBREAK_INSTANCE": "head-instance"}
    with process(GCS, env=marks) as started:
        assert about(list(orphans.look(make_case(), youngest_s=600.0)), started.pid) == []


def test_children_and_sessions_of_ours_are_ours(make_case: MakeCase, paths: ClusterPaths) -> None:
    """Ray's workers wipe the environment that would mark them."""
    marks = {"DAYBREAK_CLUSTER_ROOT": str(paths.root), "DAYBREAK_INSTANCE": "head-instance"}
    fake = paths.root / "raylet"
    shutil.copy("/bin/sleep", fake)
    command = f"env -i sh -c 'exec {fake} 300' & echo $!; read line"
    with process("head", env=marks) as started:
        record(paths, "head", started.pid)
        child = subprocess.Popen(
            ["/bin/sh", "-c", command], env=marks, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        try:
            assert child.stdout
            wiped = int(child.stdout.readline())
            # Its pid is told before it has become what it is to be.
            until(lambda: procfs.command_line(wiped).startswith(str(fake)), what="it runs")
            rows = orphans._rows(0.0)
            assert rows[wiped].root == ""
            assert {child.pid, wiped} <= orphans.owned(rows)
        finally:
            os.killpg(child.pid, 9)
            child.communicate()


def test_a_stale_lock_file_is_no_lock_and_a_dead_keepers_socket_is_told(
    make_case: MakeCase, paths: ClusterPaths
) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    paths.lock.write_text(f"{gone.pid}\n")
    assert holder_of(paths.lock) is None
    with socket.socket(socket.AF_UNIX) as keeper:
        keeper.bind(str(paths.socket))
        keeper.listen()
        assert str(paths.socket) in listening_sockets()
        of(stale.look(make_case(), youngest_s=0.0), Severity.OK)
    found = of(stale.look(make_case(), youngest_s=0.0), Severity.NOTE)
    assert f"1 socket of keepers that were killed: {paths.socket}" in found.found
    subprocess.run(found.mend[0], shell=True, check=True)
    of(stale.look(make_case(), youngest_s=0.0), Severity.OK)


def test_the_templates_socket_is_known_to_the_kernel_by_its_first_name(
    make_case: MakeCase, paths: ClusterPaths
) -> None:
    paths.warm.mkdir()
    with socket.socket(socket.AF_UNIX) as template:
        template.bind(str(paths.warm / "template.socket.1"))
        template.listen()
        (paths.warm / "template.socket.1").rename(paths.warm / "template.socket")
        of(stale.look(make_case(), youngest_s=0.0), Severity.OK)
    of(stale.look(make_case(), youngest_s=0.0), Severity.NOTE)


def test_a_lock_that_is_held_while_no_keeper_answers(make_case: MakeCase, paths: ClusterPaths) -> None:
    with open(paths.lock, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert holder_of(paths.lock) == os.getpid()
        found = of(stale.look(make_case(), youngest_s=0.0), Severity.WARNING)
        assert f"{paths.lock} is held by pid {os.getpid()}" in found.found
        assert found.mend == (f"kill {os.getpid()}",)
        # A keeper that is just starting has the lock before it listens.
        of(stale.look(make_case(), youngest_s=1e9), Severity.OK)


@as_root
def test_a_keeper_in_another_network_namespace_is_no_dead_one(make_case: MakeCase, paths: ClusterPaths) -> None:
    script = (
        "import fcntl, socket, sys; lock = open(sys.argv[1], 'w'); fcntl.flock(lock, fcntl.LOCK_EX); "
        "made = socket.socket(socket.AF_UNIX); made.bind(sys.argv[2]); made.listen(); "
        "print(flush=True); sys.stdin.read()"
    )
    words = ["unshare", "--net", sys.executable, "-c", script, str(paths.lock), str(paths.socket)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as keeper:
        assert keeper.stdout
        keeper.stdout.readline()
        assert holder_of(paths.lock) == keeper.pid
        assert str(paths.socket) not in listening_sockets()
        of(stale.look(make_case(), youngest_s=0.0), Severity.OK)
        keeper.communicate(b"")


def test_a_keeper_that_sees_other_file_systems_is_not_to_be_killed(
    make_case: MakeCase, paths: ClusterPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(procfs, "shares", lambda pid, kind: kind != "mnt")
    with open(paths.lock, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = of(stale.look(make_case(), youngest_s=0.0), Severity.NOTE)
        assert not any(line.startswith("kill") for line in found.mend)


def _named(pid: int, parent: int) -> procfs.Process:
    return procfs.Process(pid, parent, pid, 1, "ray::IDLE", "S")
