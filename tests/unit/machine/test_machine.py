from __future__ import annotations

import json
from pathlib import Path

import pytest

from daybreak.machine import machine as module
from daybreak.machine.machine import machine

GIB = 2**30


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A /proc of a machine with 8 CPUs and 16 GiB, 12 of them available."""
    monkeypatch.setattr(module, "_cpus", lambda: 8)
    folder = tmp_path / "proc"
    write(folder / "meminfo", f"MemTotal: {16 * 2**20} kB\nMemFree: 1 kB\nMemAvailable: {12 * 2**20} kB\n")
    write(folder / "sys/kernel/random/boot_id", "0-1-2\n")
    return folder


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_this_machine() -> None:
    found = machine()
    assert found.cpus >= 1
    assert 0 <= found.memory_available_bytes <= found.memory_total_bytes
    assert found.boot_id
    json.dumps(found.to_json())


def test_without_control_groups_all_of_the_machine_counts(proc: Path, tmp_path: Path) -> None:
    found = machine(proc, tmp_path / "none")
    assert (found.cpus, found.cpu_quota) == (8, None)
    assert (found.memory_total_bytes, found.memory_available_bytes) == (16 * GIB, 12 * GIB)
    assert found.boot_id == "0-1-2"


def test_limits_of_version_2_count_those_further_up_too(proc: Path, tmp_path: Path) -> None:
    top = tmp_path / "cgroup"
    write(proc / "self/cgroup", "0::/outer/inner\n")
    write(top / "cgroup.controllers", "cpu memory")
    write(top / "outer/cpu.max", "150000 100000\n")
    write(top / "outer/inner/cpu.max", "max 100000\n")
    write(top / "outer/memory.max", f"{2 * GIB}\n")
    write(top / "outer/memory.current", f"{GIB}\n")
    write(top / "outer/memory.stat", f"anon 1\ninactive_file {GIB // 2}\n")
    write(top / "outer/inner/memory.max", "max\n")
    write(top / "outer/inner/memory.current", "5\n")
    found = machine(proc, top)
    assert (found.cpus, found.cpu_quota) == (1, 1.5)
    assert found.memory_total_bytes == 2 * GIB
    assert found.memory_available_bytes == 3 * GIB // 2, "file cache that can go at once is not use"


def test_limits_of_version_1_count(proc: Path, tmp_path: Path) -> None:
    top = tmp_path / "cgroup"
    write(proc / "self/cgroup", "5:memory:/box\n3:cpu,cpuacct:/box\n1:name=systemd:/\n")
    write(top / "cpu/box/cpu.cfs_quota_us", "400000\n")
    write(top / "cpu/box/cpu.cfs_period_us", "100000\n")
    write(top / "cpu/cpu.cfs_quota_us", "-1\n")
    write(top / "memory/box/memory.limit_in_bytes", f"{4 * GIB}\n")
    write(top / "memory/box/memory.usage_in_bytes", f"{GIB}\n")
    write(top / "memory/memory.limit_in_bytes", "9223372036854771712\n")
    write(top / "memory/memory.usage_in_bytes", f"{GIB}\n")
    found = machine(proc, top)
    assert (found.cpus, found.cpu_quota) == (4, 4.0)
    assert (found.memory_total_bytes, found.memory_available_bytes) == (4 * GIB, 3 * GIB)


def test_a_container_s_path_may_name_folders_of_the_host(proc: Path, tmp_path: Path) -> None:
    top = tmp_path / "cgroup"
    write(proc / "self/cgroup", "0::/docker/0123\n")
    write(top / "cgroup.controllers", "cpu memory")
    write(top / "cpu.max", "50000 100000\n")
    found = machine(proc, top)
    assert (found.cpus, found.cpu_quota) == (1, 0.5), "never less than one"
