"""What tells why a test failed: each running cluster's logs, last events and processes, at the moment of the failure.

A sandbox is a witness from its making to its end. What witnesses tell becomes a section of a failed test's report:
nothing of a cluster is left when the test's fixtures have ended.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from daybreak.backends.process import members, procfs
from daybreak.timeline.reader import Reader

LINES = 40
# Of the other nodes, which mostly tell the same.
FEW_LINES = 10
EVENTS = 40
LONGEST_LINE = 300
LONGEST_COMMAND = 600
# What is read of a file's end.
BLOCK = 64 * 1024
HEAD = "head"
OF_THE_TEMPLATE = ("state.json", "fallbacks", "ends")
OF_A_NODE = (
    # With older versions of Ray all nodes write into one folder: `raylet.1.out` is a worker's.
    *("gcs_server.out", "gcs_server.err", "raylet*.out", "raylet*.err", "dashboard.log", "dashboard.err"),
    *("dashboard_agent*.log", "agent-*.out", "agent-*.err", "runtime_env_agent*.log", "runtime_env_agent*.err"),
    "job-driver-*.log",
)
# What the libraries of those programs tell that are connected to Ray, such as the agent once a job has been submitted:
# statistics for the most part.
OF_THE_LIBRARIES = "python-core-driver-*.log"
# Of each node: Ray's present session and the one before, which tells why a node was started again.
SESSIONS = 2

Witness = Callable[[], str]
_witnesses: dict[str, Witness] = {}


def watch(name: str, witness: Witness) -> None:
    """From now on a failed test's report has what the witness tells, under this name."""
    _witnesses[name] = witness


def unwatch(name: str) -> None:
    _witnesses.pop(name, None)


def sections() -> list[tuple[str, str]]:
    """What each witness tells now, with its title; one that cannot tell says why."""
    return [(f"evidence of {name}", _tell(witness)) for name, witness in _witnesses.items()]


def _tell(witness: Witness) -> str:
    try:
        return witness()
    except Exception as error:
        return f"none: {type(error).__name__}: {error}"


@contextmanager
def kept(witness: Witness) -> Iterator[None]:
    """Where the block fails, what the witness tells then goes with the error: the block is what deletes the rest."""
    try:
        yield
    except BaseException as error:
        error.add_note(_tell(witness))
        raise


def of_cluster(root: Path, runtime: Path) -> str:
    """What a cluster has left: its own logs, Ray's, the timeline's end, its processes. `runtime` is the folder of all
    clusters' sockets."""
    parts = (_machine(), _logs(root, runtime), _events(root), _processes(root, runtime))
    return "\n".join(_tell(functools.partial("\n".join, part)) for part in parts)


def tail(path: Path, most: int = LINES) -> list[str]:
    """The last lines of a file, each cut where it is too long; empty where there is none."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - BLOCK, 0))
            found = file.read().decode(errors="replace").splitlines()
    except OSError:
        return []
    return [line[:LONGEST_LINE] for line in found if line.strip()][-most:]


def _machine() -> Iterator[str]:
    """Whether it was short of anything."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    memory = [" ".join(line.split()) for line in lines if line.startswith(("MemAvailable", "SwapFree"))]
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    yield f"at {time.strftime('%Y-%m-%d %H:%M:%S')}: load {load}, {', '.join(memory)}"


def _logs(root: Path, runtime: Path) -> Iterator[str]:
    for path in sorted((root / "logs").glob("*.log")):
        yield from _log(path, LINES)
    for cluster in sorted(runtime.glob("*")):
        for name in OF_THE_TEMPLATE:
            yield from _log(cluster / "warm" / name, LINES)
        nodes = sorted({folder.parent for folder in cluster.glob("*/session_2*")}, key=_head_last)
        for node in nodes:
            yield from _logs_of_node(node)


def _head_last(node: Path) -> tuple[bool, str]:
    return node.name == HEAD, node.name


def _logs_of_node(node: Path) -> Iterator[str]:
    for session in sorted(node.glob("session_2*"))[-SESSIONS:]:
        for pattern in (*OF_A_NODE, OF_THE_LIBRARIES):
            few = node.name != HEAD or pattern == OF_THE_LIBRARIES
            for path in sorted((session / "logs").glob(pattern)):
                yield from _log(path, FEW_LINES if few else LINES)


def _log(path: Path, most: int) -> Iterator[str]:
    lines = tail(path, most)
    if lines:
        yield f"--- {path}"
        yield from lines


def _events(root: Path) -> Iterator[str]:
    with Reader(root / "timeline.db") as reader:
        found = reader.recent(EVENTS)
    yield "--- the timeline's last events"
    for event in found:
        at = time.strftime("%H:%M:%S", time.localtime(event.wall)) + f".{int(event.wall * 1000) % 1000:03}"
        data = " ".join(f"{key}={value}" for key, value in event.data.items() if value not in (None, [], {}))
        yield f"{at} {event.kind} {event.service or '-'} {' '.join(data.split())}"[:LONGEST_LINE]


def _processes(root: Path, runtime: Path) -> Iterator[str]:
    """Those of the cluster and those below them, those included that nobody has waited for yet."""
    marked = {row.pid for rows in members.Scan().marked(str(root)).values() for row in rows}
    forks = {pid for folder in runtime.glob("*/warm/forks") for pid in members.forks(folder)}
    everything = [row for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if (row := procfs.read(pid))]
    wanted = set(procfs.descendants(everything, marked | forks))
    yield "--- the processes: pid, parent, session, state, whether it is a fork, name, command line"
    for row in sorted(everything):
        if row.pid in wanted:
            kind = "fork" if row.pid in forks else "-"
            line = procfs.command_line(row.pid)
            yield f"{row.pid} {row.parent} {row.session} {row.state} {kind} {row.comm} {line}"[:LONGEST_COMMAND]
