"""Which log files a cluster has: its services' own output, and what Ray writes for each node."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from daybreak.files import SESSION, read_book
from daybreak.names import HEAD, ONLY, SERVE, WORKERS, group_of
from daybreak.paths import ClusterPaths
from daybreak.show.logs.entry import Source
from daybreak.show.logs.lines import read_block

KEEPER = "keeper"
# In it folders have the nodes' own names.
FIRST_SLOT = "a"
SUFFIXES = (".log", ".out", ".err")
# Ray names the actor within the first lines of its process's files.
ACTOR_BYTES = 4096
_ACTOR = re.compile(rb"^:actor_name:(.+)$", re.MULTILINE)
_JOB_ONLY = re.compile(rb"(:job_id:.*\n?)*")
_SERVE_ACTORS = ("ServeReplica:", "ServeController", "HAProxyManager", "ProxyActor")
# worker-<worker's id>-<job's id>-<pid>.out
_WORKER = re.compile(r"^worker-[0-9a-f]{20,}-[0-9a-f]+-(?P<pid>\d+)\.(out|err)$")
# What Ray itself has rotated away, where RAY_ROTATION_MAX_BYTES tells it to: worker-<...>-<pid>.1.out
_ROTATED = re.compile(r"^worker-[0-9a-f]{20,}-[0-9a-f]+-\d+\.\d+\.(out|err)$")
# With older versions of Ray the raylets of workers write into the head's folder; nobody tells which one is whose.
_WORKERS_RAYLET = re.compile(r"^raylet\.\d+\.(out|err)$")
_LONG_ID = re.compile(r"[-_]?[0-9a-f]{20,}")


def is_worker(paths: ClusterPaths, service: str) -> bool:
    """Is it a worker node of what was last wanted?"""
    workers = read_book(paths.wanted).get("spec", {}).get("workers", {})
    return bool(group_of(service, workers.get("groups") or (ONLY,)))


def slot_suffix(paths: ClusterPaths) -> str:
    """What the names of the app tier's folders end with, where that is now."""
    slot = read_book(paths.wanted).get("slot", FIRST_SLOT)
    return "" if slot == FIRST_SLOT else f".{slot}"


class Sources:
    """Finds the files anew each time it is asked: a restart makes new ones."""

    def __init__(self, paths: ClusterPaths, services: Collection[str] = (), *, everything: bool = False) -> None:
        """`services` as the user named them, empty for all but the keeper's; `everything`: Ray's internal logs too."""
        self._paths = paths
        self._wanted = frozenset(services)
        self._everything = everything
        # A process's actor is known for good once it is known; None is asked again.
        self._actors: dict[Path, str] = {}

    def known(self) -> list[str]:
        """The services that have logs."""
        nodes = {node for node, _ in self._sessions()}
        return sorted({path.stem for path in self._paths.logs.glob("*.log")} | nodes)

    def find(self, *, earlier: bool = False) -> list[Source]:
        """Every file with something in it; with `earlier` also those of sessions before the last one."""
        return [source for source in self._all(earlier) if self._is_wanted(source.service)]

    def _is_wanted(self, service: str) -> bool:
        if not self._wanted:
            return service != KEEPER
        if service == WORKERS:
            return any(name == WORKERS or is_worker(self._paths, name) for name in self._wanted)
        return service in self._wanted or (WORKERS in self._wanted and is_worker(self._paths, service))

    def _all(self, earlier: bool) -> Iterator[Source]:
        for path in sorted(self._paths.logs.glob("*.log")):
            yield Source(path.stem, path.stem, path)
        # One line for each request: too many among others, unless somebody asks for them.
        if self._wanted or self._everything:
            for path in sorted(self._paths.logs.glob("*.access")):
                yield Source(path.stem, f"{path.stem}/access", path)
        for node, folder in self._sessions(earlier=earlier):
            yield from self._of_node(node, folder)

    def _sessions(self, *, earlier: bool = False) -> Iterator[tuple[str, Path]]:
        """Each node with the log folder of its session. What is left of a node of an earlier cluster does not count."""
        suffix = slot_suffix(self._paths)
        latest = {
            link.parents[1].name.removesuffix(suffix): link.resolve()
            for link in sorted(self._paths.runtime.glob(f"*{suffix}/session_latest/logs"))
            if link.parents[1].suffix == suffix
        }
        # A container may lead its link anywhere.
        latest = {node: logs for node, logs in latest.items() if self._is_session(logs)}
        current = latest[HEAD].parent.name if HEAD in latest else None
        for node, logs in latest.items():
            if earlier:
                older = sorted(logs.parent.parent.glob("session_2*/logs"))
                yield from ((node, folder) for folder in older)
            elif current is None or logs.parent.name == current:
                yield node, logs

    def _is_session(self, logs: Path) -> bool:
        session = logs.parent
        return session.name.startswith(SESSION) and session.parents[1] == self._paths.runtime.resolve()

    def _of_node(self, node: str, folder: Path) -> Iterator[Source]:
        for path in _files(folder / SERVE):
            yield Source(SERVE, f"{SERVE}/{_serve_label(path)}", path)
        for path in _files(folder):
            if _ROTATED.match(path.name):
                continue
            if found := _WORKER.match(path.name):
                yield from self._of_process(node, path, found["pid"])
            elif path.name.startswith("job-driver-"):
                yield Source(node, f"{node}/{path.stem.removeprefix('job-driver-')}", path)
            elif self._everything or path.suffix == ".err":
                owner = WORKERS if node == HEAD and _WORKERS_RAYLET.match(path.name) else node
                yield Source(owner, f"{owner}/{_LONG_ID.sub('', path.name)}", path)
        if self._everything:
            yield from (Source(node, f"{node}/{path.name}", path) for path in _files(folder / "events"))

    def _of_process(self, node: str, path: Path, pid: str) -> Iterator[Source]:
        """The output of a task's or actor's process; that of Serve's own actors belongs to `serve`.

        A process that was only told its job may become either: its file holds nothing for people yet.
        """
        if path not in self._actors:
            begin = read_block(path, 0, ACTOR_BYTES)
            if _JOB_ONLY.fullmatch(begin):
                return
            if actor := _ACTOR.search(begin):
                self._actors[path] = actor[1].decode(errors="replace").strip()
        actor_name = self._actors.get(path, "")
        if actor_name.startswith(_SERVE_ACTORS):
            kind, _, name = actor_name.partition(":")
            yield Source(SERVE, f"{SERVE}/{name.replace(':', '_') or kind}-{pid}", path)
        else:
            yield Source(node, f"{node}/{actor_name.rpartition(':')[2] or 'worker'}-{pid}", path)


def _files(folder: Path) -> list[Path]:
    """The logs in a folder that are not empty, without what was rotated away."""
    try:
        with os.scandir(folder) as found:
            return sorted(
                Path(entry.path) for entry in found if entry.name.endswith(SUFFIXES) and _holds_anything(entry)
            )
    except OSError:
        return []


def _holds_anything(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file() and entry.stat().st_size > 0
    except OSError:
        return False


def _serve_label(path: Path) -> str:
    """What tells people: `default_App_3eufl51p` of a replica's log, `controller` of `controller_9430.log`, `proxy`."""
    stem = path.stem.removeprefix("replica_")
    return stem.partition("_")[0] if stem.startswith(("controller_", "proxy_")) else stem
