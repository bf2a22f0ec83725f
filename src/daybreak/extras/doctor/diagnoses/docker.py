"""Docker, for those who use it: does its engine answer, what takes its disk, what of daybreak's is left there?"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from daybreak.docker.labels import CLUSTER, ROOT
from daybreak.errors import DaybreakError
from daybreak.extras.doctor import engines
from daybreak.extras.doctor.case import Case
from daybreak.extras.doctor.diagnoses.leftovers import unused
from daybreak.extras.doctor.engines import Engine, Leftover
from daybreak.extras.doctor.finding import Finding, error, note, ok, warning
from daybreak.paths import state_root

SLOW_DRIVERS = ("vfs", "devicemapper")
SHOWN = 3
UNUSED = "clusters run as processes, so nothing needs it"
NEEDED = "the spec says `backend: docker`"


def look(case: Case) -> Iterator[Finding]:
    """Nothing of this is needed for processes; nothing of it is an error unless the cluster is to run in containers."""
    needed = case.spec.in_containers
    try:
        engine = engines.find()
        if engine is None and needed:
            yield error("Docker is not installed", NEEDED, "# install Docker Engine, or `backend: process` in the spec")
            return
        if engine is None:
            yield ok("not installed; clusters run as processes")
            return
        found = engine.info()
    except DaybreakError as refused:
        hints = [refused.hint] if refused.hint else []
        yield error(refused.message, NEEDED, *hints) if needed else note(refused.message, UNUSED, *hints)
        return
    yield from _slow(str(found["Driver"]))
    yield from _left(old(engine))
    yield ok(f"Docker {found['ServerVersion']}, {found['Driver']}; {_disk_use(engine)}")


def old(engine: Engine) -> list[Leftover]:
    """What `--prune` may delete. A cluster is known where it has a state folder; `down` ends what such a one has."""
    return unused(engine, _is_known)


def _is_known(labels: Mapping[str, str]) -> bool:
    """Has the cluster its state folder? It may be in another $DAYBREAK_HOME.

    Where it cannot be seen from here it may well have: in a folder of another account, or of another machine or
    container that uses the same engine, or one that is not mounted now.
    """
    root = labels.get(ROOT)
    folder = Path(root) if root else state_root() / labels.get(CLUSTER, "")
    try:
        folder.lstat()
    except FileNotFoundError:
        return not os.access(folder.parent, os.R_OK | os.X_OK)
    except OSError:
        pass
    return True


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
        shown = ", ".join([*map(str, found[:SHOWN]), *(["..."] if len(found) > SHOWN else [])])
        yield note(
            f"{len(found)} of daybreak's things in Docker {'is' if len(found) == 1 else 'are'} not in use: {shown}",
            "what nothing uses takes room on the disk all the same",
            "daybreak doctor --prune",
        )
