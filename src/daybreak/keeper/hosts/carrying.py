"""What a host's keeper does for the first machine: its nodes as they are, and operations as a command would ask for."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from daybreak.keeper.background import Background
from daybreak.keeper.control.request import Request
from daybreak.keeper.followers import Followers
from daybreak.keeper.hosts.link import Link
from daybreak.keeper.hosts.membership import JoinedFolder, Membership, worker_spec
from daybreak.keeper.runner import Operation
from daybreak.paths import ClusterPaths
from daybreak.services.ray.addresses import node_address, node_names
from daybreak.spec.load import without_file

# Where other nodes reach a raylet; the first says which one it is.
REACHED = ("node_manager", "object_manager")
Operations = Mapping[str, Callable[[Request, Operation], Awaitable[Any]]]


class Carrying:
    """One host's; `operations` are its keeper's."""

    def __init__(
        self, paths: ClusterPaths, followers: Followers, background: Background, operations: Callable[[], Operations]
    ) -> None:
        self._followers, self._operations = followers, operations
        self._folder = JoinedFolder(paths)
        self.link = Link(self._folder, background, self._nodes, self._wants, self._apply, self._stop)

    def _wants(self) -> bool:
        cluster = self._followers.desired.serving
        return cluster is not None and cluster.spec.join is not None

    def _nodes(self) -> Sequence[dict[str, Any]]:
        cluster, rows = self._followers.desired.cluster, self._followers.board.rows
        found = []
        for name in node_names(cluster.spec) if cluster else ():
            row = rows.get(name)
            if row and cluster:
                address, ports = node_address(cluster.site, name), cluster.site.ports
                at = [f"{address}:{ports.get(f'{name}.{each}')}" for each in REACHED]
                known = {"name": name, "state": str(row.state), "pid": row.pid}
                metrics = f"{address}:{ports.get(f'{name}.metrics')}"
                found.append({**known, "place": at[0], "reached_at": at, "metrics_at": metrics})
        return found

    async def _apply(self, membership: Membership, counted: bool) -> None:
        """How many was said by `scale` here, or where `counted` by the first machine. Raises DaybreakError where it
        cannot be."""
        loaded = await asyncio.to_thread(without_file, self._folder.code, below=worker_spec(membership, self._folder))
        # Nodes of a cluster that runs keep theirs; secrets are read anew.
        desired = self._followers.desired
        environment = dict(desired.environment if desired.cluster else os.environ)
        request = Request(
            "apply", spec=loaded.spec, base=str(loaded.base), keep_workers=not counted, environment=environment
        )
        await self._carry_out(request)

    async def _stop(self) -> None:
        await self._carry_out(Request("stop_nodes", hooks=False))

    async def _carry_out(self, request: Request) -> None:
        operation = Operation(request.op)
        operation.start(partial(self._operations()[request.op], request))
        try:
            await operation.answer()
        except asyncio.CancelledError:
            operation.cancel()
            raise
