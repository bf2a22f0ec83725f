"""Whose a taken port is: a process's, and where it is one of ours the cluster's."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from daybreak.machine.listeners import Listener, belongs_to, marked_service
from daybreak.paths import short, state_root


@dataclass(frozen=True)
class Holder:
    """Who listens, and the cluster of this account that it belongs to: its name, folder and service, else empty."""

    listener: Listener
    cluster: str = ""
    folder: str = ""
    service: str = ""

    def __str__(self) -> str:
        if not self.cluster:
            return str(self.listener)
        process = self.listener.name if self.listener.name != self.service else ""
        known = (self.service, process, f"pid {self.listener.pid}")
        place = f" in {self.folder}" if self.folder else ""
        return f"cluster {self.cluster}{place} ({', '.join(part for part in known if part)})"

    @property
    def hint(self) -> str:
        """What frees the port."""
        return f"`daybreak down -n {self.cluster}` frees it" if self.cluster else "stop it"


def whose(listener: Listener) -> Holder:
    """The cluster below the state folder that the listener belongs to, if one is seen."""
    if listener.pid is None:
        return Holder(listener)
    for records in sorted(state_root().glob("*/services")):
        root = records.parent
        if belongs_to(root)(listener):
            return Holder(listener, root.name, short(folder_of(root)), marked_service(listener.pid))
    return Holder(listener)


def folder_of(root: Path) -> str:
    """The folder that a cluster belongs to, or was last started from; empty where nobody has written it down."""
    for file, key in (("owner.json", "folder"), ("wanted.json", "base")):
        try:
            return str(json.loads((root / file).read_text())[key])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return ""
