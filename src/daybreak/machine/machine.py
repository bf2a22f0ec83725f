"""What this machine is, and how much of it a process here may use: affinity and control groups count."""

from __future__ import annotations

import os
import platform
import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from daybreak.machine.cgroups import CGROUP, PROC, cpu_quota, groups, memory_limits, text


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
    found = groups(proc, cgroup)
    quota = cpu_quota(found)
    cpus = _cpus()
    total, available = _memory(proc)
    limits = [(limit, limit - used) for limit, used in memory_limits(found)]
    return Machine(
        hostname=socket.gethostname(),
        platform=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        boot_id=text(proc / "sys/kernel/random/boot_id"),
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


def _memory(proc: Path) -> tuple[int, int]:
    """Total and available bytes of the whole machine."""
    values = {}
    for line in text(proc / "meminfo").splitlines():
        name, _, rest = line.partition(":")
        if name in ("MemTotal", "MemAvailable"):
            values[name] = int(rest.split()[0]) * 1024
    if "MemTotal" not in values:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return total, total
    return values["MemTotal"], values.get("MemAvailable", values["MemTotal"])
