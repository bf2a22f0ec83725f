"""Faults of a machine made real, with control groups and namespaces, for the real command to find; for root alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import COMMAND, Sandbox

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can limit a process and hide this machine's name")
CONTROLLERS = Path("/sys/fs/cgroup")
MIB = 2**20
BUSY = "import time; end = time.process_time() + 0.1\nwhile time.process_time() < end: pass"
HOLD = "import sys; kept = b'x' * int(sys.argv[1]); print(flush=True); sys.stdin.read()"


class Group:
    """A control group of version 1, one folder for each controller; gone when everything in it has ended."""

    def __init__(self, *controllers: str) -> None:
        self.folders = {name: CONTROLLERS / name / f"daybreak-test-{os.getpid()}" for name in controllers}

    def set(self, name: str, value: object) -> None:
        """Write a file such as `memory.limit_in_bytes`, whose first word is the controller."""
        (self.folders[name.partition(".")[0]] / name).write_text(str(value))

    def argv(self, *argv: str) -> list[str]:
        """The command line with which a program begins in the group."""
        enter = "".join(f"echo $$ > {folder}/cgroup.procs && " for folder in self.folders.values())
        return ["sh", "-c", f'{enter}exec "$@"', "sh", *argv]

    def run(self, *argv: str) -> int:
        return subprocess.run(self.argv(*argv), check=False, capture_output=True, timeout=60).returncode


@contextmanager
def group(*controllers: str) -> Iterator[Group]:
    made = Group(*controllers)
    if not all((CONTROLLERS / name / "tasks").exists() for name in controllers):
        pytest.skip("this machine has no control groups of version 1")
    for folder in made.folders.values():
        folder.mkdir()
    try:
        yield made
    finally:
        for folder in made.folders.values():
            folder.rmdir()


@contextmanager
def holding(made: Group, size: int) -> Iterator[None]:
    """A process in the group that holds so many bytes."""
    argv = made.argv(sys.executable, "-c", HOLD, str(size))
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        process.stdout.readline()
        yield
        process.stdin.close()


def findings(sandbox: Sandbox, wrapped: Group | list[str], *names: str) -> dict[str, list[dict[str, Any]]]:
    """What the real command finds, started in a group or behind other words; all it finds, by diagnosis."""
    argv = [*COMMAND, "doctor", "--json", *names]
    done = subprocess.run(
        wrapped.argv(*argv) if isinstance(wrapped, Group) else [*wrapped, *argv],
        cwd=sandbox.folder,
        env=sandbox.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return {row["name"]: row["findings"] for row in json.loads(done.stdout)["diagnoses"]}


def bad(found: list[dict[str, Any]]) -> str:
    """The texts of warnings and errors, each of which must say why and what mends it."""
    worse = [row for row in found if row["severity"] in ("warning", "error")]
    assert all(row["why"] and row["mend"] for row in worse)
    return "\n".join(row["found"] for row in worse)


def test_a_container_at_all_of_its_limits(sandbox: Sandbox) -> None:
    with group("memory", "cpu", "pids") as box:
        box.set("memory.limit_in_bytes", 64 * MIB)
        assert box.run(sys.executable, "-c", HOLD, str(500 * MIB)) == -9
        box.set("memory.limit_in_bytes", 1000 * MIB)
        box.set("cpu.cfs_quota_us", 10_000)
        box.run(sys.executable, "-c", BUSY)
        box.set("cpu.cfs_quota_us", 150_000)
        box.set("pids.max", 60)
        with holding(box, 910 * MIB):
            found = findings(sandbox, box, "cgroup", "memory")
    told = bad(found["cgroup"])
    assert "may use 1.5 CPUs, and stood still in " in told
    assert "killed processes of this control group 1 times" in told
    assert "of 1000.0 MiB are in use in the control group" in told
    assert "of 60 threads are in use in the control group, the cluster needs about" in told
    assert "of 1000.0 MiB are available" in bad(found["memory"])


def test_a_disk_that_writes_slowly(sandbox: Sandbox) -> None:
    device = os.stat(sandbox.home).st_dev
    whole = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
    if not whole.exists() or (whole / "partition").exists():
        pytest.skip("the temporary folder is on no disk of its own")
    with group("blkio") as box:
        box.set("blkio.throttle.write_iops_device", f"{os.major(device)}:{os.minor(device)} 8")
        found = findings(sandbox, box, "slow-disk")
    assert f"an fsync in {sandbox.home}" in bad(found["slow-disk"])


def test_a_name_and_a_localhost_that_lead_nowhere(sandbox: Sandbox, tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("::1 localhost\n")
    script = f'hostname no-such-machine.invalid && mount --bind {hosts} /etc/hosts && exec "$@"'
    found = findings(sandbox, ["unshare", "--uts", "--mount", "sh", "-c", script, "sh"], "hostname", "ipv6")
    assert "no-such-machine.invalid does not resolve" in bad(found["hostname"])
    assert bad(found["ipv6"]) == "localhost is ::1 only"
