"""Docker, for those who use it: does its engine answer, what takes its disk, what of daybreak's is left there?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from daybreak.doctor import engines
from daybreak.doctor.case import Case
from daybreak.doctor.engines import Engine, Leftover
from daybreak.doctor.finding import Finding, note, ok, warning
from daybreak.errors import DaybreakError
from daybreak.paths import state_root

SLOW_DRIVERS = ("vfs", "devicemapper")


def look(case: Case) -> Iterator[Finding]:
    """Nothing of this is needed for processes, so nothing of it is an error."""
    del case
    try:
        engine = engines.find()
        if engine is None:
            yield ok("not installed; clusters run as processes")
            return
        found = engine.info()
    except DaybreakError as refused:
        yield note(
            refused.message,
            "clusters run as processes, so nothing needs it",
            *([refused.hint] if refused.hint else []),
        )
        return
    yield from _slow(str(found["Driver"]))
    yield from _left(old(engine))
    yield ok(f"Docker {found['ServerVersion']}, {found['Driver']}; {_disk_use(engine)}")


def old(engine: Engine) -> list[Leftover]:
    """What `--prune` deletes. A volume whose cluster has a state folder is kept: it holds that cluster's data."""
    return [left for left in engine.leftovers() if left.kind != "volume" or not _state_folder(left).exists()]


def _state_folder(left: Leftover) -> Path:
    """That of the volume's cluster, which may be in another $DAYBREAK_HOME."""
    return Path(left.root) if left.root else state_root() / left.cluster


def _disk_use(engine: Engine) -> str:
    """Where much is stored, adding it up takes longer than anybody wants to wait."""
    try:
        return engine.disk_use()
    except DaybreakError as late:
        return f"disk use not known ({late.message})"


def _slow(driver: str) -> Iterator[Finding]:
    if driver in SLOW_DRIVERS:
        yield warning(
            f"the storage driver is {driver}",
            "every container copies its whole image, or goes through a slow mapper: starts take minutes",
            "# `storage-driver: overlay2` in /etc/docker/daemon.json",
            "sudo systemctl restart docker",
        )


def _left(found: list[Leftover]) -> Iterator[Finding]:
    if found:
        yield note(
            f"{len(found)} of daybreak's images and volumes are not in use: {', '.join(map(str, found[:3]))}",
            "they take room on the disk",
            "daybreak doctor --prune",
        )
