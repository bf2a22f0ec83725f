"""What this machine lacks: memory, CPUs, limits, disks. Real faults where a test can make them."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from daybreak.extras.doctor.diagnoses import bytecode, cgroup, cpus, disk, limits, memory, shm, slow_disk
from daybreak.extras.doctor.diagnoses.memory import Memory
from daybreak.extras.doctor.finding import Severity
from daybreak.machine.cgroups import groups
from daybreak.machine.machine import machine
from tests.helpers import until
from tests.unit.extras.doctor.conftest import MakeCase, as_root, mounted, of, row, snapshot

GIB = 2**30
NOBODY = 65534


def test_more_memory_than_there_is_is_what_up_refuses(make_case: MakeCase) -> None:
    found = of(memory.look(make_case({"workers": {"count": 2, "memory": "900TiB"}})), Severity.ERROR)
    assert "the machine has" in found.found


def test_memory_that_is_short_now() -> None:
    assert "1.0 GiB of 100.0 GiB" in of(memory.judge(Memory(100 * GIB, GIB), 0), Severity.ERROR).found
    of(memory.judge(Memory(100 * GIB, 8 * GIB), 0), Severity.WARNING)
    assert "asks for 60.0 GiB" in of(memory.judge(Memory(100 * GIB, 50 * GIB), 60 * GIB), Severity.WARNING).found
    of(memory.judge(Memory(100 * GIB, 50 * GIB), 40 * GIB), Severity.OK)


def test_full_swap_counts_only_where_memory_is_short_too() -> None:
    assert "swap" in of(memory.judge(Memory(100 * GIB, 15 * GIB, 8 * GIB, 7 * GIB), 0), Severity.WARNING).found
    of(memory.judge(Memory(100 * GIB, 60 * GIB, 8 * GIB, 7 * GIB), 0), Severity.OK)


def test_what_a_running_cluster_asks_for_is_its_own_already(
    make_case: MakeCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    total = machine().memory_total_bytes
    monkeypatch.setattr(memory, "measure", lambda: Memory(total, total // 2))  # whatever else runs here meanwhile
    asked = {"workers": {"memory": total - GIB}, "head": {"object_store": "512MiB"}}
    of(memory.look(make_case(asked)), Severity.WARNING)
    of(memory.look(make_case(asked, snapshot=snapshot(row("head")))), Severity.OK)


@as_root
def test_a_small_dev_shm(make_case: MakeCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with mounted(tmp_path / "shm", "size=64m") as folder:
        monkeypatch.setattr(shm, "SHM", folder)
        found = of(shm.look(make_case()), Severity.WARNING)
        assert "256.0 MiB does not fit into /dev/shm, where 64.0 MiB are left" in found.found
        assert found.mend[0].startswith("sudo mount -o remount,size=564M /dev/shm")


def test_object_stores_that_fit_alone_but_not_together() -> None:
    assert "together" in of(shm.judge(300 * 2**20, [256 * 2**20] * 2), Severity.WARNING).found
    assert "refuses" in of(shm.judge(GIB, [12 * GIB]), Severity.ERROR).why
    of(shm.judge(GIB, [256 * 2**20] * 3), Severity.OK)


def test_more_cpus_are_offered_than_there_are(make_case: MakeCase) -> None:
    there = machine().cpus
    of(cpus.look(make_case({"workers": {"count": 0}})), Severity.OK)
    of(cpus.look(make_case({"workers": {"count": there}})), Severity.NOTE)
    found = of(cpus.look(make_case({"workers": {"count": 4 * there, "cpus": "500m"}})), Severity.WARNING)
    assert f"offer {4 * there + 1} CPUs, {there} may be used here" in found.found


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_container_of_version_2_at_its_limits(tmp_path: Path) -> None:
    write(tmp_path / "proc/self/cgroup", "0::/box\n")
    box = tmp_path / "cgroup/box"
    write(tmp_path / "cgroup/cgroup.controllers", "cpu memory pids")
    write(box / "cpu.max", "150000 100000\n")
    write(box / "cpu.stat", "usage_usec 1\nnr_periods 100\nnr_throttled 40\n")
    write(box / "memory.max", f"{2 * GIB}\n")
    write(box / "memory.current", f"{2 * GIB - 1}\n")
    write(box / "memory.events", "low 0\noom 3\noom_kill 2\n")
    write(box / "pids.max", "300\n")
    write(box / "pids.current", "40\n")
    found = list(cgroup.judge(cgroup.measure(groups(tmp_path / "proc", tmp_path / "cgroup")), limits.threads_of(1)))
    of(found, Severity.WARNING)
    text = "\n".join(finding.found for finding in found if finding.severity is Severity.WARNING)
    assert "may use 1.5 CPUs, and stood still in 40% of all periods" in text
    assert "killed processes of this control group 2 times" in text
    assert "2.0 GiB of 2.0 GiB are in use" in text
    assert "40 of 300 threads are in use in the control group, the cluster needs about 530" in text


def test_a_container_of_version_1_with_room(tmp_path: Path) -> None:
    write(tmp_path / "proc/self/cgroup", "5:memory:/box\n3:cpu,cpuacct:/box\n2:pids:/box\n")
    top = tmp_path / "cgroup"
    write(top / "cpu/box/cpu.cfs_quota_us", "400000\n")
    write(top / "cpu/box/cpu.cfs_period_us", "100000\n")
    write(top / "cpu/box/cpu.stat", "nr_periods 100\nnr_throttled 1\nthrottled_time 5\n")
    write(top / "memory/box/memory.limit_in_bytes", f"{4 * GIB}\n")
    write(top / "memory/box/memory.usage_in_bytes", f"{GIB}\n")
    write(top / "memory/box/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n")
    write(top / "pids/box/pids.max", "4000\n")
    write(top / "pids/box/pids.current", "100\n")
    measured = cgroup.measure(groups(tmp_path / "proc", top))
    assert (measured.cpus, measured.memory, measured.threads) == (4.0, ((4 * GIB, GIB),), ((4000, 100),))
    of(cgroup.judge(measured, 500), Severity.OK)
    write(top / "memory/box/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 7\n")
    assert "7 times" in of(cgroup.judge(cgroup.measure(groups(tmp_path / "proc", top)), 0), Severity.WARNING).found


LIMITS = """
import os, resource, sys
from pathlib import Path
from daybreak.extras.doctor.diagnoses import limits
from daybreak.extras.doctor.case import Case
from daybreak.paths import ClusterPaths
from daybreak.spec.model import Spec
place = Path("/tmp/nowhere")
case = Case(ClusterPaths("it", place, place), Spec(name="it"), place)
which, most, uid = map(int, sys.argv[1:])
resource.setrlimit(which, (most, most))
os.setuid(uid)
for finding in limits.look(case):
    print(finding.severity, finding.found)
"""


def limited(which: int, most: int, uid: int) -> list[str]:
    """What a process of this user with this limit finds."""
    words = [str(word) for word in (which, most, uid)]
    done = subprocess.run([sys.executable, "-c", LIMITS, *words], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.mark.parametrize(("most", "severity"), [(256, "error"), (2048, "warning"), (10_000, "ok")])
def test_a_low_limit_on_open_files(most: int, severity: str) -> None:
    assert f"{severity} a process may open {most} files" in limited(resource.RLIMIT_NOFILE, most, os.getuid())


@as_root
def test_a_low_limit_on_processes_of_an_ordinary_user() -> None:
    found = limited(resource.RLIMIT_NPROC, 100, NOBODY)
    assert any(line.startswith("error") and "of 100 threads of this user are in use" in line for line in found), found


def test_threads_that_are_nearly_all_used() -> None:
    of(limits.judge_threads(1000, 950, 0, "of the machine", "sysctl"), Severity.NOTE)
    of(limits.judge_threads(1000, 100, 500, "of the machine", "sysctl"), Severity.OK)


@as_root
def test_a_disk_without_space_and_one_without_inodes(tmp_path: Path) -> None:
    with mounted(tmp_path / "full", "size=1m") as folder:
        found = of(disk.judge(disk.measure(folder)), Severity.ERROR)
        assert f"1.0 MiB of 1.0 MiB are free for {folder}" in found.found
    with mounted(tmp_path / "inodes", "size=400m,nr_inodes=60") as folder:
        assert "59 of 60 inodes are free" in of(disk.judge(disk.measure(folder)), Severity.ERROR).found


def test_a_disk_that_is_nearly_full() -> None:
    of(disk.judge(disk.Disk(Path("/"), 1000 * GIB, 40 * GIB, 0, 0)), Severity.WARNING)
    of(disk.judge(disk.Disk(Path("/"), 1000 * GIB, 400 * GIB, 10**6, 40_000)), Severity.WARNING)
    of(disk.judge(disk.Disk(Path("/"), 1000 * GIB, 400 * GIB, 0, 0)), Severity.OK)


def test_each_file_system_is_looked_at_once(make_case: MakeCase) -> None:
    case = make_case()
    there = {os.stat(path).st_dev for path in (case.paths.root, case.paths.runtime)}
    assert len(list(disk.look(case))) == len(there)


def test_a_slow_disk(tmp_path: Path) -> None:
    # As measured on a network disk, and on one where only the first write was slow.
    found = of(slow_disk.judge([0.081, 0.094, 0.088, 0.31, 0.079], tmp_path), Severity.WARNING)
    assert f"an fsync in {tmp_path} takes 88 ms" in found.found
    of(slow_disk.judge([0.4, 0.002, 0.003, 0.002, 0.002], tmp_path), Severity.OK)


def test_the_disk_is_really_written_to_and_nothing_is_left(make_case: MakeCase, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    samples = slow_disk.measure(tmp_path)
    assert all(sample > 0 for sample in samples)
    assert samples
    assert sorted(tmp_path.rglob("*")) == before
    assert len(list(slow_disk.look(make_case()))) == 1


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package with modules where Ray has its own."""
    for name in ("__init__.py", "_private/worker.py", "serve/api.py", "dashboard/agent.py"):
        write(tmp_path / "ray" / name, "value = 1\n")
    return tmp_path / "ray"


def test_bytecode_that_is_not_there_and_the_command_that_makes_it(package: Path) -> None:
    found = of(bytecode.judge(package, sys.executable, off=True), Severity.WARNING)
    assert f"0% of {package} is compiled, and PYTHONDONTWRITEBYTECODE is set" in found.found
    first = of(bytecode.judge(package, sys.executable, off=False), Severity.NOTE)
    assert "the first start writes the rest" in first.found
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run(found.mend[0], shell=True, check=True, env=environment)
    of(bytecode.judge(package, sys.executable, off=False), Severity.OK)
    of(bytecode.judge(package, sys.executable, off=True), Severity.NOTE)


@as_root
def test_a_package_that_cannot_be_written_to(package: Path, tmp_path: Path) -> None:
    with mounted(tmp_path / "fixed", "size=1m") as folder:
        (folder / "_private").mkdir()
        (folder / "_private/worker.py").write_text("")
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        found = of(bytecode.judge(folder, "/opt/python", off=False), Severity.WARNING)
    assert "cannot be written to" in found.found
    assert found.mend == (f"sudo /opt/python -m compileall -q {folder}",)


def test_the_keepers_variables_count_where_it_runs(make_case: MakeCase, package: Path) -> None:
    variables = {"PYTHONDONTWRITEBYTECODE": "1"}
    case = make_case(environment=variables)
    assert case.inherited((bytecode.OFF,)) == variables
    started = subprocess.Popen(["sleep", "60"], env={"PYTHONPYCACHEPREFIX": "/x"})
    try:
        # `Popen` returns a moment before the program has its environment.
        until(lambda: Path(f"/proc/{started.pid}/environ").read_bytes(), what="it runs")
        case = make_case(environment=variables, snapshot=snapshot(row("head"), keeper_pid=started.pid))
        assert case.inherited((bytecode.OFF, bytecode.PREFIX)) == {"PYTHONPYCACHEPREFIX": "/x"}
    finally:
        started.kill()
        started.wait()
