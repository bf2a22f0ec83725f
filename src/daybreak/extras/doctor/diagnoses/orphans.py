"""Ray processes that nobody looks after: our own that no record knows, and others' whose GCS or raylet has gone."""

from __future__ import annotations

import os
import re
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from daybreak.backends.process import members, procfs
from daybreak.extras.doctor.case import Case
from daybreak.extras.doctor.finding import Finding, ok, warning
from daybreak.machine.listeners import sockets
from daybreak.paths import ClusterPaths, runtime_root, state_root

# What was started this moment may be about to be recorded.
YOUNGEST_S = 5.0
RAY_PROGRAM = re.compile(
    r"^\S*/(gcs_server|raylet) "
    r"|^ray::"
    r"|/ray/(dashboard/(dashboard|agent)|_private/(log_monitor|workers/default_worker|runtime_env/agent/main)"
    r"|autoscaler/_private/monitor)\.py"
)
WORKER = re.compile(r"^ray::|/default_worker\.py")
GCS_ADDRESS = re.compile(r"--gcs-address=(\S+):(\d+)")
WHY = "they hold memory and ports, and nothing ends them"


@dataclass(frozen=True)
class MarkedProcess:
    """One process: `root` and `instance` as its markers or its template's files say, empty where neither does.

    `lost` marks a fork whose launcher, the process that Ray knows, is gone.
    """

    process: procfs.Process
    line: str
    root: str
    instance: str
    lost: bool = False

    @property
    def pid(self) -> int:
        return self.process.pid


def look(case: Case, youngest_s: float = YOUNGEST_S) -> Iterator[Finding]:
    """Our own first: they are told with the command that ends them."""
    rows = _rows(youngest_s)
    own = owned(rows)
    findings = [*_own(rows, case), *_others([row for row in rows.values() if row.pid not in own], rows)]
    yield from findings or [ok(_summary(rows, own))]


def owned(rows: Mapping[int, MarkedProcess]) -> set[int]:
    """Every process of any cluster of daybreak's: marked, forked from a template, in the session of one, or below one.

    Ray's processes overwrite their environment, so that the marker alone does not tell.
    """
    found = {row.pid for row in rows.values() if row.root}
    for forks in runtime_root().glob("*/warm/forks"):
        found |= members.forks(forks).keys()
    sessions = {rows[pid].process.session for pid in found if pid in rows}
    found |= {row.pid for row in rows.values() if row.process.session in sessions}
    while more := {row.pid for row in rows.values() if row.process.parent in found} - found:
        found |= more
    return found


def _rows(youngest_s: float) -> dict[int, MarkedProcess]:
    """Every process older than that, by pid."""
    now_ticks = (time.clock_gettime(time.CLOCK_BOOTTIME) - youngest_s) * os.sysconf("SC_CLK_TCK")
    forks = _forks()
    rows = {}
    for process in procfs.processes():
        if process.started_ticks > now_ticks:
            continue
        line = procfs.command_line(process.pid)
        if process.pid in forks:
            root, fork = forks[process.pid]
            rows[process.pid] = MarkedProcess(process, line, root, fork.instance, lost=not fork.has_launcher)
            continue
        marks = procfs.environment(process.pid, (procfs.MARKER, procfs.CLUSTER_MARKER))
        rows[process.pid] = MarkedProcess(
            process, line, marks.get(procfs.CLUSTER_MARKER, ""), marks.get(procfs.MARKER, "")
        )
    return rows


def _forks() -> dict[int, tuple[str, members.Fork]]:
    """The forks of every cluster's template by pid, with the cluster's root."""
    clusters = [ClusterPaths.of(folder.parent.name) for folder in state_root().glob("*/services")]
    return {pid: (str(paths.root), fork) for paths in clusters for pid, fork in members.forks(paths.forks).items()}


def _own(rows: Mapping[int, MarkedProcess], case: Case) -> Iterator[Finding]:
    """Instances that their cluster has no record of, and lost forks; what runs a check has no instance."""
    left: dict[str, list[MarkedProcess]] = {}
    for row in rows.values():
        if not (row.root and row.instance and _sees_the_same_state(row)):
            continue
        if row.lost or not _is_recorded(Path(row.root), row.instance):
            left.setdefault(row.root, []).append(row)
    for root, found in left.items():
        yield warning(
            f"{_count(found)} of cluster {Path(root).name} left behind: {_names(found)}",
            WHY if not Path(root).exists() else "what started them was killed before it was recorded, or before them",
            _end_own(Path(root), found, case),
        )


def _sees_the_same_state(row: MarkedProcess) -> bool:
    """Where other file systems are mounted, as in a container, its cluster's folder may be one that we do not see: what
    is recorded there, and by which keeper it is looked after, cannot be told from here."""
    if procfs.shares(row.pid, "mnt"):
        return True
    try:
        return os.path.samefile(row.root, f"/proc/{row.pid}/root{row.root}")
    except OSError:
        return False


def _is_recorded(root: Path, instance: str) -> bool:
    return any(ClusterPaths(root.name, root, root).records.glob(f"*.{instance}.json"))


def _end_own(root: Path, found: Sequence[MarkedProcess], case: Case) -> str:
    if not root.exists():
        return _kill(found)  # its state is gone, so no command of ours finds it any more
    if root == case.paths.root:
        return case.command("up" if case.running else "down")
    home = "" if root.parent == state_root() else f"DAYBREAK_HOME={shlex.quote(str(root.parent))} "
    return f"{home}daybreak down -n {root.name}"


def _others(strangers: Sequence[MarkedProcess], rows: Mapping[int, MarkedProcess]) -> Iterator[Finding]:
    """Ray that somebody else started: what belongs to a GCS that is gone, and workers whose raylet is."""
    listening = {found.port for found in sockets()}
    found = [row for row in strangers if RAY_PROGRAM.search(row.line) and _is_left(row, rows, listening)]
    if found:
        yield warning(
            f"{_count(found, 'Ray ')} of somebody else's without GCS or raylet: {_names(found)}",
            f"{WHY}; daybreak did not start them, so it never ends them",
            _kill(found),
        )


def _is_left(row: MarkedProcess, rows: Mapping[int, MarkedProcess], listening: set[int]) -> bool:
    if not procfs.shares(row.pid, "net"):
        return False  # in a container: its ports are not these
    address = GCS_ADDRESS.search(row.line)
    if address:
        return _is_here(address[1]) and int(address[2]) not in listening
    parent = rows.get(row.process.parent)
    return bool(WORKER.search(row.line)) and (parent is None or parent.pid == 1)


def _is_here(host: str) -> bool:
    """Is it an address of this machine?"""
    import psutil

    own = {address.address for rows in psutil.net_if_addrs().values() for address in rows}
    return host.startswith("127.") or host in own or host == "localhost"


def _names(rows: Sequence[MarkedProcess]) -> str:
    """At most five."""
    named = [f"{_program(row)} ({row.pid})" for row in rows]
    return ", ".join(named[:5]) + (f" and {len(named) - 5} more" if len(named) > 5 else "")


def _program(row: MarkedProcess) -> str:
    found = RAY_PROGRAM.search(row.line)
    if found and not row.line.startswith("ray::"):
        return found[0].split()[-1].rpartition("/")[2]
    return row.process.comm


def _count(rows: Sequence[MarkedProcess], what: str = "") -> str:
    return f"{len(rows)} {what}{'process' if len(rows) == 1 else 'processes'}"


def _kill(rows: Sequence[MarkedProcess]) -> str:
    """A raylet that is asked to end first tells its GCS, for a minute where that is gone; nothing is lost by force."""
    return "kill -9 " + " ".join(str(row.pid) for row in rows)


def _summary(rows: Mapping[int, MarkedProcess], own: set[int]) -> str:
    ray = [row for row in rows.values() if RAY_PROGRAM.search(row.line)]
    apart = sum(not procfs.shares(row.pid, "net") for row in ray)
    here = [row for row in ray if procfs.shares(row.pid, "net")]
    others = sum(row.pid not in own for row in here)
    said = f"none; daybreak has {len(here) - others} Ray processes here"
    return said + (f", somebody else {others}" if others else "") + (f", containers have {apart}" if apart else "")
