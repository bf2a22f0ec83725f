"""What this machine is, and how much of it a process here may use: affinity and control groups count."""

from __future__ import annotations

import os
import platform
import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

PROC = Path("/proc")
CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Machine:
    """The machine beside every measurement. `cpus` are those that may be used (a quota of 1.5 counts as 1).

    `cpu_quota` is the control group's limit in CPUs, None where there is none; memory is in bytes, limits included.
    """

    hostname: str
    platform: str
    python: str
    boot_id: str
    cpus: int
    cpu_quota: float | None
    memory_total_bytes: int
    memory_available_bytes: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def machine(proc: Path = PROC, cgroup: Path = CGROUP) -> Machine:
    """Look at the machine; takes a millisecond or two, and never fails for a file that is not there."""
    groups = _groups(proc, cgroup)
    quota = _cpu_quota(groups)
    cpus = _cpus()
    total, available = _memory(proc)
    limits = [(limit, limit - used) for limit, used in _memory_limits(groups)]
    return Machine(
        hostname=socket.gethostname(),
        platform=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        boot_id=_text(proc / "sys/kernel/random/boot_id"),
        cpus=max(1, min(cpus, int(quota)) if quota else cpus),
        cpu_quota=quota,
        memory_total_bytes=min([total, *(limit for limit, _ in limits)]),
        memory_available_bytes=max(0, min([available, *(free for _, free in limits)])),
    )


def small_shell(shell: str = "/bin/sh") -> str:
    """`shell` where it is dash, as on Debian and Ubuntu; others take as much memory as what they would stand in for."""
    return shell if os.path.basename(os.path.realpath(shell)) == "dash" else ""


def _cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True)
class _Groups:
    """The folders of this process's control groups, its own first, then those above it: a limit there counts too."""

    unified: tuple[Path, ...]
    cpu: tuple[Path, ...]
    memory: tuple[Path, ...]


def _groups(proc: Path, cgroup: Path) -> _Groups:
    paths: dict[str, str] = {}
    for line in _text(proc / "self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        for name in names.split(",") if number != "0" else ["unified"]:
            paths[name] = path
    unified = cgroup if (cgroup / "cgroup.controllers").exists() else cgroup / "unified"
    return _Groups(
        unified=tuple(_upwards(unified, paths.get("unified"))),
        cpu=tuple(_upwards(cgroup / "cpu", paths.get("cpu"))),
        memory=tuple(_upwards(cgroup / "memory", paths.get("memory"))),
    )


def _upwards(top: Path, path: str | None) -> Iterator[Path]:
    """Every folder from the group up to the top. In a container the path may name folders that only the host has."""
    if path is None:
        return
    group = top / path.strip("/")
    for folder in (group, *group.parents):
        if folder.is_dir():
            yield folder
        if folder == top:
            return


def _cpu_quota(groups: _Groups) -> float | None:
    quotas = []
    for folder in groups.unified:
        quota, _, period = _text(folder / "cpu.max").partition(" ")
        if quota.isdigit() and period.isdigit():
            quotas.append(int(quota) / int(period))
    for folder in groups.cpu:
        limit, every = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
        if limit is not None and limit > 0 and every:
            quotas.append(limit / every)
    return min(quotas, default=None)


def _memory(proc: Path) -> tuple[int, int]:
    """Total and available bytes of the whole machine."""
    values = {}
    for line in _text(proc / "meminfo").splitlines():
        name, _, rest = line.partition(":")
        if name in ("MemTotal", "MemAvailable"):
            values[name] = int(rest.split()[0]) * 1024
    if "MemTotal" not in values:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return total, total
    return values["MemTotal"], values.get("MemAvailable", values["MemTotal"])


def _memory_limits(groups: _Groups) -> Iterator[tuple[int, int]]:
    """Limit and use in bytes of every group that has a limit; file cache that can go at once is not counted as use."""
    files = [(folder, "memory.max", "memory.current", "inactive_file") for folder in groups.unified]
    files += [
        (folder, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file") for folder in groups.memory
    ]
    for folder, limit_name, used_name, cache_name in files:
        limit, used = _number(folder / limit_name), _number(folder / used_name)
        # Version 1 says "no limit" with a number near 2**63.
        if limit is not None and used is not None and limit < 2**60:
            rows = dict(line.split(" ", 1) for line in _text(folder / "memory.stat").splitlines() if " " in line)
            yield limit, max(0, used - int(rows.get(cache_name, 0)))


def _number(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text.lstrip("-").isdigit() else None


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
