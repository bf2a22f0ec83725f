"""Workers that are to go are drained first: Serve starts their replicas on other nodes, then stops the old ones, which
answer what they have begun. Only then a node is stopped, and no request is lost.

Which replicas a node has is asked of Ray's dashboard; Ray is told by a program of its own interpreter. Ray takes no
node back: where the run is interrupted, a worker that was drained ends when it is empty, and is started anew.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

from daybreak.backends.base import Backend, State
from daybreak.errors import DaybreakError
from daybreak.health import http
from daybreak.health.applications import STOPPING, Deployment, Replica, Serving
from daybreak.keeper.ray.serve_status import NODES_PATH, TIMEOUT_S, ServeStatus, ask_dashboard
from daybreak.names import HEAD
from daybreak.programs.node.drain import NOT_MOVED_CODE
from daybreak.run.plan import Plan
from daybreak.services.build import Cluster
from daybreak.services.container_site import program, site_inside
from daybreak.services.ray import warm
from daybreak.services.ray.addresses import address, node_address, node_names

PROGRAM = "programs/node/drain.py"
# With a cold interpreter on a busy machine.
PROGRAM_S = 30.0
LOOK_S = 0.2
# What Serve reads later than this: it waits for other replicas no longer. None at all would be no deadline.
AT_ONCE_S, ENDLESS_S = 0.001, 0.0


class Tell(Protocol):
    """Tells of a worker what becomes of it."""

    def __call__(self, service: str, text: str, level: str = "info") -> None: ...


class NotDrained(DaybreakError):
    """A worker cannot be drained; the message says why."""


class Draining:
    """One cluster's. `forget` is told of workers that may end by themselves from now on."""

    def __init__(self, backend: Backend, forget: Callable[[str], None]) -> None:
        self._backend = backend
        self._forget = forget
        self._cluster: Cluster | None = None
        # Where each worker's raylet listens: one that is wanted no more was wanted before.
        self._places: dict[str, str] = {}
        # The instances that Ray was told of.
        self._told: set[str] = set()

    def ends(self, instance: str) -> bool:
        """Does this one end by itself, sooner or later? It still runs where the run that drained it was interrupted."""
        return instance in self._told

    def want(self, cluster: Cluster) -> None:
        """From now on it is this cluster's."""
        self._cluster = cluster
        site = cluster.site
        for name in node_names(cluster.spec):
            if port := site.ports.get(f"{name}.node_manager"):
                self._places[name] = f"{node_address(site, name)}:{port}"

    async def before(self, steps: Plan, tell: Tell, *, recovers: bool = False) -> None:
        """A run begins: empty the workers that it takes away or replaces. What cannot be drained is told, and stopped
        all the same; there is a deadline on everything. What is replaced since it `recovers` would not be emptied."""
        names = [name for name in _leaving(steps) if not (recovers and steps.starts(name))]
        leaving = {self._places[name]: name for name in names if name in self._places}
        told = {step.handle.instance for step in steps.stop if step.handle.service in names}
        await self._leave(leaving, tell, lambda: self._told.update(told))

    async def elsewhere(self, leaving: Mapping[str, str], tell: Tell) -> None:
        """Empty workers of another machine: what they are called here, by the places of their raylets."""
        await self._leave(leaving, tell, lambda: None)

    async def _leave(self, leaving: Mapping[str, str], tell: Tell, begun: Callable[[], None]) -> None:
        """Empty what has replicas, and say that it has `begun`."""
        cluster = self._cluster
        if cluster is None or not leaving or not cluster.spec.serve.wanted or not cluster.spec.dashboard:
            return
        try:
            known, told = await _nodes(cluster, leaving), await _ask(ServeStatus(cluster))
            # A node that the dashboard does not know yet may be given a replica of another one.
            if len(known) < len(leaving) or any(_on(told, known)):
                begun()
                await self._empty(cluster, leaving, tell)
        except NotDrained as error:
            for name in leaving.values():
                tell(name, f"is not drained: {error.message}; what its replicas are answering is cut off", "warning")

    async def _empty(self, cluster: Cluster, leaving: Mapping[str, str], tell: Tell) -> None:
        """Until no replica is left there, or the deadlines have passed. Raises NotDrained."""
        for name in leaving.values():
            # A raylet that has nothing left to do ends by itself.
            self._forget(name)
        try:
            nodes = await self._tell_ray(cluster, leaving, ENDLESS_S)
            for name, count in _count(_on(await _ask(ServeStatus(cluster)), nodes), nodes):
                tell(name, f"is drained: {_replicas(count)} move{'s' if count == 1 else ''} to other nodes")
            await self._wait(cluster, leaving, nodes, tell)
        except asyncio.CancelledError:
            for name in leaving.values():
                tell(name, "goes on draining, which Ray does not take back: it ends when it is empty")
            raise

    async def _wait(self, cluster: Cluster, leaving: Mapping[str, str], nodes: Mapping[str, str], tell: Tell) -> None:
        """First for replicas elsewhere, then for what the old ones are answering."""
        status, patience_s = ServeStatus(cluster), cluster.spec.gateway.drain
        left = await _until(status, nodes, patience_s, lambda replica: replica.state != STOPPING)
        if left:
            why = next((f" ({one.message})" for one, _ in left if one.message), "")
            for name, count in _count(left, nodes):
                text = f"{_replicas(count)} found no room on other nodes within {patience_s:g} s{why}"
                tell(name, f"{text}; the node is stopped all the same", "warning")
            await self._tell_ray(cluster, leaving, AT_ONCE_S)
        left = await _until(status, nodes, patience_s, lambda _: True)
        for name, count in _count(left, nodes):
            tell(name, f"{_replicas(count)} did not end within {patience_s:g} s: what is left is cut off", "error")

    async def _tell_ray(self, cluster: Cluster, leaving: Mapping[str, str], deadline_s: float) -> Mapping[str, str]:
        """The workers by Ray's ids of them. Raises NotDrained where this Ray cannot be told, or refuses."""
        spec, site = cluster.spec, site_inside(cluster.site, HEAD)
        head = next(service for service in cluster.services if service.name == HEAD)
        argv = (warm.python(spec, site), program(site, PROGRAM), address(spec, site), str(deadline_s), *leaving)
        try:
            result = await self._backend.run(head, argv, timeout_s=PROGRAM_S)
        except OSError as error:
            raise NotDrained(f"Ray cannot be told: {error.strerror}") from error
        if result.code == NOT_MOVED_CODE:
            raise NotDrained(f"Serve of Ray {site.ray.version} moves no replicas")
        last = (result.output.strip() or f"exit code {result.code}").splitlines()[-1]
        if result.code:
            raise NotDrained(f"Ray refuses: {last}")
        try:
            return {node: leaving[place] for place, node in json.loads(last).items()}
        except (ValueError, AttributeError, KeyError) as error:
            raise NotDrained(f"what Ray answers cannot be read: {last}") from error


async def _nodes(cluster: Cluster, leaving: Mapping[str, str]) -> Mapping[str, str]:
    """The workers by Ray's ids of them, as far as its dashboard knows them; it learns of a node some seconds late.
    Raises NotDrained."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            answer = await ask_dashboard(cluster, NODES_PATH)
        if answer.status != http.OK:
            raise NotDrained(f"Ray's dashboard answers {answer.status} where it is asked for its nodes")
        raylets = [row["raylet"] for row in json.loads(answer.text)["data"]["summary"]]
        alive = [row for row in raylets if row["state"] == "ALIVE"]
        at = {f"{row['nodeManagerAddress']}:{row['nodeManagerPort']}": str(row["nodeId"]) for row in alive}
    except (OSError, TimeoutError) as error:
        raise NotDrained("Ray's dashboard does not answer") from error
    except (ValueError, KeyError, TypeError) as error:
        raise NotDrained("what Ray's dashboard tells of its nodes cannot be read") from error
    return {at[place]: name for place, name in leaving.items() if place in at}


async def _ask(status: ServeStatus) -> Serving:
    """Raises NotDrained where Serve does not tell."""
    told = await status.ask()
    if isinstance(told, str):
        raise NotDrained(f"Serve does not tell where its replicas are: {told}")
    return told


async def _until(
    status: ServeStatus, nodes: Mapping[str, str], deadline_s: float, counts: Callable[[Replica], bool]
) -> list[tuple[Deployment, Replica]]:
    """Wait until none of the replicas that count are on these nodes; returns those that are when the deadline is over.

    Who does not tell for a moment is asked again. Raises NotDrained where it has told nothing when that is over.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + deadline_s
    while True:
        told = await status.ask()
        over = loop.time() >= end
        if isinstance(told, Serving):
            left = [(one, replica) for one, replica in _on(told, nodes) if counts(replica)]
            if over or not left:
                return left
        elif over:
            raise NotDrained(f"Serve does not tell where its replicas are: {told}")
        await asyncio.sleep(LOOK_S)


def _leaving(steps: Plan) -> list[str]:
    """The workers that end while their head stays: without it nothing would be answered elsewhere. That of another
    generation, which may stay, is not theirs."""
    staying = {handle.slot for handle in steps.keep if handle.service == HEAD}
    going = (step.handle for step in steps.stop if step.handle.slot in staying)
    return sorted(one.service for one in going if one.is_worker and one.state is not State.BROKEN)


def _on(told: Serving, nodes: Mapping[str, str]) -> Iterator[tuple[Deployment, Replica]]:
    """The replicas on these nodes, each with its deployment."""
    for application in told.applications:
        for deployment in application.deployments:
            yield from ((deployment, one) for one in deployment.replicas if one.node in nodes)


def _count(replicas: Iterable[tuple[Deployment, Replica]], nodes: Mapping[str, str]) -> list[tuple[str, int]]:
    """How many of these replicas are on each worker."""
    return sorted(Counter(nodes[one.node] for _, one in replicas if one.node).items())


def _replicas(count: int) -> str:
    return f"{count} replica{'' if count == 1 else 's'}"
