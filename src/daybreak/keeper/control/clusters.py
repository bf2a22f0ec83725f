"""The clusters of this account: what lies below the state folder, and what their keepers say. No keeper is started."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from daybreak.errors import DaybreakError, KeeperError
from daybreak.keeper.control import client
from daybreak.machine.holders import folder_of
from daybreak.paths import ClusterPaths, state_root
from daybreak.states import ClusterState
from daybreak.timeline.status import Snapshot

ANSWER_S = 2.0
MOST_AT_ONCE = 16
# Something was started and no keeper is there: `daybreak status` starts one, which finds out.
UNATTENDED = "no keeper"
SILENT = "keeper does not answer"


@dataclass(frozen=True)
class Listed:
    """One cluster. `folder` is the one it belongs to; `since` is when its oldest service was started (seconds since
    1970), None where nothing runs; `data`: databases have left something."""

    name: str
    state: str
    folder: str
    root: str
    workers: int = 0
    since: float | None = None
    urls: dict[str, str] = field(default_factory=dict)
    backend: str | None = None
    ray: str | None = None
    keeper_pid: int | None = None
    data: bool = False

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def names() -> list[str]:
    """The clusters that have a state folder, running or not."""
    try:
        folders = sorted(state_root().iterdir())
    except OSError:
        return []
    return [folder.name for folder in folders if (folder / "services").is_dir()]


def clusters(*, everything: bool = False) -> list[Listed]:
    """Those of which something runs; with `everything` also those that are down."""
    known = names()
    if not known:
        return []
    with ThreadPoolExecutor(min(MOST_AT_ONCE, len(known))) as pool:
        found = list(pool.map(_look, known))
    return [listed for listed in found if everything or listed.state != ClusterState.STOPPED]


def _look(name: str) -> Listed:
    paths = ClusterPaths.of(name)
    snapshot, trouble = _ask(paths)
    about: dict[str, Any] = {"folder": folder_of(paths.root), "root": str(paths.root), "data": _has_data(paths.data)}
    if snapshot is None:
        left = client.anything_recorded(paths)
        return Listed(name, trouble or (UNATTENDED if left else ClusterState.STOPPED), **about)
    return Listed(
        name,
        snapshot.state,
        workers=snapshot.workers,
        since=min((row.started for row in snapshot.services if row.started and row.pid), default=None),
        urls=dict(snapshot.urls),
        backend=snapshot.backend,
        ray=snapshot.ray,
        keeper_pid=snapshot.keeper_pid,
        **about,
    )


def _ask(paths: ClusterPaths) -> tuple[Snapshot | None, str]:
    """The keeper's snapshot; else why one that is there gave none, empty where there is none."""
    try:
        connected = client.connect(paths)
    except KeeperError as error:
        return None, error.message
    if connected is None:
        return None, ""
    connection = client.Connection(connected, {"op": "status"})
    try:
        if not connection.heard(ANSWER_S):
            return None, ""
        connection.set_timeout(ANSWER_S)
        return Snapshot.from_json(connection.result()), ""
    except (DaybreakError, TimeoutError, ValueError):
        return None, SILENT
    finally:
        connection.close()


def _has_data(folder: Path) -> bool:
    try:
        return bool(os.listdir(folder))
    except OSError:
        return False


def others(than: str, found: Sequence[Listed] | None = None) -> list[Listed]:
    """The running clusters besides one."""
    return [listed for listed in (clusters() if found is None else found) if listed.name != than]
