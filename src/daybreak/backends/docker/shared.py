"""What the containers of a cluster share: its network and its volumes. All calls block.

Both are made where they are missing and kept where they exist, as long as they are the cluster's own.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from typing import Any

from daybreak.backends.docker.container_config import Owner
from daybreak.docker import labels
from daybreak.docker.api import EngineClient, is_conflict, is_gone
from daybreak.errors import EngineError
from daybreak.services.service import Container, MountKind, Network


class Shared:
    """One cluster's network and volumes."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._ours = f"{labels.ROOT}={owner.root}"
        self._known: set[str] = set()
        # The containers of a start ask at the same moment: the first one makes the network, the others wait for it.
        self._turn = threading.Lock()

    def ensure(self, client: EngineClient, container: Container) -> None:
        """See to it that what the container needs is there, and is not somebody else's. Raises EngineError."""
        with self._turn:
            if container.network is not None and f"network {container.network.name}" not in self._known:
                self._ensure_network(client, container.network)
                self._known.add(f"network {container.network.name}")
            for mount in container.mounts:
                if mount.kind is MountKind.VOLUME and f"volume {mount.source}" not in self._known:
                    self._check_volume(client, mount.source)
                    self._known.add(f"volume {mount.source}")

    def forget(self) -> None:
        """Look anew: somebody may have removed what was there."""
        with self._turn:
            self._known.clear()

    def purge(self, client: EngineClient, services: Sequence[str]) -> None:
        """Delete the volumes that were made for these services, and the network where nobody uses it."""
        for service in services:
            for row in client.volumes.list([self._ours, f"{labels.SERVICE}={service}"]):
                client.volumes.remove(row["Name"])
        self.forget()
        self.remove_unused_network(client)

    def remove_unused_network(self, client: EngineClient) -> None:
        """Delete the cluster's network unless a container, even one that was stopped, belongs to it."""
        with self._turn:
            if client.containers.list([self._ours]):
                return
            for row in client.networks.list([self._ours]):
                with contextlib.suppress(EngineError):
                    client.networks.remove(row["Id"])
            self._known.clear()

    def _ensure_network(self, client: EngineClient, network: Network) -> None:
        for row in client.networks.list(name=network.name):
            self._require_ours("network", network.name, row)
            if network.subnet in _subnets(row):
                return
            # Left from before the subnet was changed; containers that are still in it keep it there.
            client.networks.remove(row["Id"])
        try:
            client.networks.create(network.name, network.subnet, self._owner.labels)
        except EngineError as error:
            if is_conflict(error):
                return
            if "overlaps" in error.message:
                raise EngineError(
                    f"the network {network.subnet} is taken: it overlaps with another one of Docker's",
                    hint="docker network ls; choose another subnet in the spec",
                    status=error.status,
                ) from error
            raise

    def _check_volume(self, client: EngineClient, name: str) -> None:
        try:
            found = client.volumes.inspect(name)
        except EngineError as error:
            if is_gone(error):
                return
            raise
        # A volume of no cluster is the user's: it may be used, and is never deleted.
        if labels.ROOT in (found.get("Labels") or {}):
            self._require_ours("volume", name, found)

    def _require_ours(self, kind: str, name: str, row: dict[str, Any]) -> None:
        root = (row.get("Labels") or {}).get(labels.ROOT)
        if root != self._owner.root:
            whose = f"belongs to the cluster at {root}" if root else "was not made by daybreak"
            raise EngineError(
                f"there is a {kind} {name} already, and it {whose}",
                hint=f"docker {kind} inspect {name}; give this cluster another name, or remove the {kind}",
            )


def _subnets(row: dict[str, Any]) -> list[str]:
    return [entry.get("Subnet", "") for entry in (row.get("IPAM") or {}).get("Config") or ()]
