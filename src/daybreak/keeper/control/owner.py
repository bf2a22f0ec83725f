"""Whose cluster it is: the folder of its spec, written down where the cluster is made.

Two folders may come to one name: copies of a project, git worktrees, names without a Latin letter. Without this record
the second would be given the first one's databases. A folder that was moved or renamed is known by its number on its
disk and the moment it was made; so is one that is mounted, or linked to, under another path.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

from daybreak.errors import UsageError
from daybreak.files import write_private
from daybreak.keeper.control.stored_state import Stored
from daybreak.paths import ClusterPaths

STAT_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Owner:
    """The folder a cluster belongs to (absolute, links resolved), and its identity; empty where that is unknown.

    Without a folder it is nobody's: its data was deleted, and the next one that starts it has it.
    """

    folder: str
    identity: str = ""

    @classmethod
    def of(cls, folder: Path) -> Owner:
        """The owner that this folder would be."""
        return cls(str(folder.resolve()), identity(folder))

    @classmethod
    def load(cls, paths: ClusterPaths) -> Owner | None:
        """The cluster's, None for a new one. Where an earlier daybreak wrote none it is the folder last wanted from."""
        try:
            return cls(**json.loads(paths.owner.read_text()))
        except (OSError, ValueError, TypeError):
            state = Stored.load(paths.wanted)
            return cls(str(Path(state.base).resolve())) if state else None

    def save(self, paths: ClusterPaths) -> None:
        write_private(paths.owner, json.dumps(asdict(self), indent=1), durable=True)

    def is_elsewhere(self, folder: Path) -> bool:
        """Is it another folder's than this one?"""
        return bool(self.folder) and not self.is_at(folder)

    def is_at(self, folder: Path) -> bool:
        """Is it this folder, whatever its path is by now?"""
        if str(folder.resolve()) == self.folder:
            return True
        return bool(self.identity) and identity(folder) == self.identity

    @property
    def there(self) -> bool:
        return os.path.isdir(self.folder)


NOBODY = Owner("")


def identity(folder: Path) -> str:
    """Disk, number and birth (to the nanosecond) of a folder; empty where its file system does not tell the birth:
    numbers alone are given to new folders again."""
    try:
        asked = ["stat", "--dereference", "--format=%d:%i:%.9W", str(folder)]
        done = subprocess.run(asked, capture_output=True, text=True, timeout=STAT_TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    found = done.stdout.strip()
    return found if found.rpartition(":")[2].strip("0.-?") else ""


def require(paths: ClusterPaths, folder: Path, hint: str) -> None:
    """Raise UsageError where the cluster belongs to another folder than this one."""
    owner = Owner.load(paths)
    if owner is None or not owner.is_elsewhere(folder):
        return
    gone = "" if owner.there else ", which is not there any more"
    raise UsageError(
        f"cluster {paths.name} belongs to {owner.folder}{gone}, and this is {folder.resolve()}; nothing was changed",
        hint=hint,
    )


def claim_hint(name: str) -> str:
    """The ways out for a command that would make the cluster this folder's."""
    return (
        f"give this one a name of its own, with `name:` in its daybreak.yaml or -n {name}-2; "
        "or make that cluster and its data this folder's with --take-over"
    )


def use_hint(name: str) -> str:
    """The ways out for a command that only works on a cluster."""
    return f"-n {name} means that one; for one of its own this folder needs another `name:` in its daybreak.yaml"
