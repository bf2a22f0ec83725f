"""What of a Docker engine the keeper uses itself: whether it is there, its images, what it offers to a cluster."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from daybreak.keeper.backends.images import Note, have_all, have_needed
from daybreak.machine.reservations import Reservations
from daybreak.machine.survey import survey
from daybreak.paths import ClusterPaths
from daybreak.services.site import Site
from daybreak.services.slots import Slot
from daybreak.spec.model import Spec

if TYPE_CHECKING:
    from daybreak.docker.api import EngineClient


class Engine:
    """One cluster's way to it; it is connected to when it is first needed.

    Raises EngineError where it cannot be used.
    """

    def __init__(self, paths: ClusterPaths) -> None:
        self._paths = paths
        self._client: EngineClient | None = None
        self._connecting = threading.Lock()
        self._reserved = Reservations(paths.root)

    async def have_needed(self, spec: Spec, note: Note) -> None:
        """Pull the images that the cluster cannot start without. Raises PreflightError for one that cannot be had."""
        await have_needed(await asyncio.to_thread(self._connect), spec, note)

    async def have_all(self, spec: Spec, note: Note) -> None:
        """Pull every image of the cluster."""
        await have_all(await asyncio.to_thread(self._connect), spec, note)

    def survey(
        self, spec: Spec, base: Path, *, slot: Slot, only_look: bool = False, version: int | None = None
    ) -> Site:
        """What this machine, and the engine where it is used, offer to a cluster; `only_look` keeps nothing. Blocks."""
        client = self._connect() if spec.in_containers else None
        return survey(
            spec,
            base,
            self._paths,
            client,
            slot=slot,
            only_look=only_look,
            version=version,
            reserved=self._reserved,
        )

    def close(self) -> None:
        self._reserved.close()
        if self._client is not None:
            self._client.close()

    def _connect(self) -> EngineClient:
        """Blocks: for a thread. Several operations may need it at once."""
        from daybreak.docker.connect import connect

        with self._connecting:
            if self._client is None:
                self._client = connect()
            return self._client
