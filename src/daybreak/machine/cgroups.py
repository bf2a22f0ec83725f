"""Control groups, version 1 and 2: what limits this process beyond the machine itself, and what that has done to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
CGROUP = Path("/sys/fs/cgroup")
# Version 1 says "no limit" with a number near 2**63.
NO_LIMIT = 2**60


@dataclass(frozen=True)
class Groups:
    """The folders of this process's control groups, its own first, then those above it: a limit there counts too."""

    unified: tuple[Path, ...]
    cpu: tuple[Path, ...]
    memory: tuple[Path, ...]
    pids: tuple[Path, ...] = ()


def groups(proc: Path = PROC, cgroup: Path = CGROUP) -> Groups:
    """The groups of this process; empty where there are none."""
    paths: dict[str, str] = {}
    for line in text(proc / "self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        for name in names.split(",") if number != "0" else ["unified"]:
            paths[name] = path
    unified = cgroup if (cgroup / "cgroup.controllers").exists() else cgroup / "unified"
    return Groups(
        unified=tuple(_upwards(unified, paths.get("unified"))),
        cpu=tuple(_upwards(cgroup / "cpu", paths.get("cpu"))),
        memory=tuple(_upwards(cgroup / "memory", paths.get("memory"))),
        pids=tuple(_upwards(cgroup / "pids", paths.get("pids"))),
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


def cpu_quota(found: Groups) -> float | None:
    """The smallest limit in CPUs; None where there is none."""
    quotas = []
    for folder in found.unified:
        quota, _, period = text(folder / "cpu.max").partition(" ")
        if quota.isdigit() and period.isdigit():
            quotas.append(int(quota) / int(period))
    for folder in found.cpu:
        limit, every = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
        if limit is not None and limit > 0 and every:
            quotas.append(limit / every)
    return min(quotas, default=None)


def memory_limits(found: Groups) -> Iterator[tuple[int, int]]:
    """Limit and use in bytes of every group that has a limit; file cache that can go at once is not counted as use."""
    files = [(folder, "memory.max", "memory.current", "inactive_file") for folder in found.unified]
    files += [
        (folder, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file") for folder in found.memory
    ]
    for folder, limit_name, used_name, cache_name in files:
        limit, used = _number(folder / limit_name), _number(folder / used_name)
        if limit is not None and used is not None and limit < NO_LIMIT:
            rows = dict(line.split(" ", 1) for line in text(folder / "memory.stat").splitlines() if " " in line)
            yield limit, max(0, used - int(rows.get(cache_name, 0)))


def process_limits(found: Groups) -> Iterator[tuple[int, int]]:
    """Limit and use in threads of every group that has a limit: each thread counts as one."""
    for folder in (*found.unified, *found.pids):
        limit, used = _number(folder / "pids.max"), _number(folder / "pids.current")
        if limit is not None and used is not None:
            yield limit, used


def throttled_share(found: Groups) -> float:
    """In which part of the periods (0 to 1) since the group was made its processes had to stand still."""
    shares = [0.0]
    for folder in (*found.unified, *found.cpu):
        rows = _rows(folder / "cpu.stat")
        if rows.get("nr_periods"):
            shares.append(rows.get("nr_throttled", 0) / rows["nr_periods"])
    return max(shares)


def killed_for_memory(found: Groups) -> int:
    """How many processes of the own group the kernel has killed for want of memory."""
    counts = [_rows(folder / "memory.events").get("oom_kill", 0) for folder in found.unified[:1]]
    counts += [_rows(folder / "memory.oom_control").get("oom_kill", 0) for folder in found.memory[:1]]
    return max(counts, default=0)


def _rows(path: Path) -> dict[str, int]:
    """Lines of a name and a number."""
    pairs = (line.split() for line in text(path).splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


def _number(path: Path) -> int | None:
    found = text(path)
    return int(found) if found.lstrip("-").isdigit() else None


def text(path: Path) -> str:
    """What the file holds, without blanks around it; empty where it cannot be read."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""
