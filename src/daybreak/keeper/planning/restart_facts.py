"""Choosing a restart's way: what decides it is looked up here, the choice itself is `run/restart_way.py`."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from daybreak.backends.base import Handle, State
from daybreak.files import read_book
from daybreak.health import http
from daybreak.keeper.followers import Followers
from daybreak.keeper.planning.process_memory import private_bytes
from daybreak.keeper.planning.second_generation import second_generation
from daybreak.keeper.ray.serve_status import NODES_PATH, SERVE_PATH, ask_dashboard
from daybreak.keeper.runs.run_records import Runs
from daybreak.keeper.wanted.desired import Target
from daybreak.keeper.wanted.environment import differing
from daybreak.machine.machine import machine
from daybreak.names import HEAD, SERVE
from daybreak.paths import ClusterPaths
from daybreak.programs.deploy.proxy_options import proxy_options_of
from daybreak.programs.deploy.remembered import Deployed
from daybreak.programs.deploy.sources import CODE_FILE, changed, told
from daybreak.run.changed_keys import changed_keys
from daybreak.run.plan import Goal, plan
from daybreak.run.replica_room import replicas, room, without_processes
from daybreak.run.restart_way import (
    STARTED_ELSEWHERE,
    Choice,
    Facts,
    Room,
    SecondGeneration,
    Way,
    against_redeploying,
    choose,
    gently,
    hindrances,
)
from daybreak.services.build import Cluster
from daybreak.services.container_site import site_inside
from daybreak.services.ray.addresses import node_names
from daybreak.services.ray.serve import DEPLOYED, folder, redeploying
from daybreak.services.ray.serve_routes import application_names
from daybreak.services.service import Run, Service, Tier
from daybreak.spec.model import Spec
from daybreak.states import FINE, WELL

ROOM_TIMEOUT_S = 5.0
# What nodes say of their processes is some seconds old; after one restart upon the other they may still name replicas
# that have ended.
SETTLES_S, LOOK_S = 4.0, 0.5
MOST_BYTES = 16 * 1024 * 1024
log = logging.getLogger(__name__)


@dataclass
class Ways:
    """One cluster's."""

    followers: Followers
    runs: Runs
    paths: ClusterPaths

    async def choose(
        self, asked: Way | None, target: Target, observed: Sequence[Handle], because: str = "", *, keep: bool = False
    ) -> Choice:
        """The way of a restart from what was observed to `target`. With `keep` what came up stays where something else
        fails. Raises UsageError where the way that is asked for cannot be."""
        facts = self._facts(target, observed)
        free = Room() if asked in (Way.IN_PLACE, Way.REPLACE) else await self._room(target.cluster, facts)
        second = SecondGeneration()
        if asked is Way.REPLACE or (asked is None and (against_redeploying(facts, free) or facts.environment)):
            second = await self._second_generation(target.cluster, observed, facts, keep=keep, asked=asked is not None)
        choice = choose(asked, facts, free, second, because)
        usual_s, runs = self.runs.usual(choice.way, target.cluster.spec.workers.count)
        return replace(choice, usual_s=usual_s, runs=runs)

    async def _second_generation(
        self, cluster: Cluster, observed: Sequence[Handle], facts: Facts, *, keep: bool, asked: bool
    ) -> SecondGeneration:
        if self.followers.desired.before() is None:
            return SecondGeneration(("what runs was not seen to be as it is wanted",))
        look = second_generation(cluster, observed, facts, self.paths.forks, self._kept_bytes, keep=keep, asked=asked)
        return await look

    @property
    def _kept_bytes(self) -> int:
        """What is free when a generation ends that is kept."""
        state = self.followers.desired.state
        return state.kept.memory_bytes if state and state.kept else 0

    async def of_change(self, target: Target, observed: Sequence[Handle]) -> Choice | None:
        """How a change that is no restart replaces the applications; None where it does not, or only with a gap."""
        steps = plan(target.cluster.services, observed, Goal())
        ends = any(step.handle.service == SERVE for step in steps.stop)
        if not ends or not any(handle.service == HEAD for handle in steps.keep):
            return None
        facts = self._facts(target, observed)
        return gently(facts, await self._room(target.cluster, facts))

    def serves_on(self, target: Target, observed: Sequence[Handle]) -> bool:
        """Would a change that is no restart leave the deployment as it is?"""
        steps = plan(target.cluster.services, observed, Goal())
        return {HEAD, SERVE} <= {handle.service for handle in steps.keep}

    def against_version(self, cluster: Cluster, *, head_stays: bool) -> str:
        """Why replicas would find the code of the spec's folder instead of the version's that is to be deployed; empty
        where they find that, or no version is meant."""
        if cluster.site.version is None:
            return ""
        if not cluster.site.ray.code_folders:
            return f"jobs of Ray {cluster.site.ray.version} cannot name a folder for their code"
        return STARTED_ELSEWHERE if head_stays and not _of_serve(cluster)[2] else ""

    def changed_code(self, spec: Spec) -> str:
        """Which files of the running applications have changed since they were deployed, in words; empty where none
        has, or nobody knows."""
        state, cluster = self.followers.desired.state, self.followers.desired.cluster
        row = self.followers.board.rows.get(SERVE)
        if state and state.code_version is not None:
            return ""  # a version never changes
        if cluster is None or cluster.site.engine or not spec.serve.wanted or row is None or row.state not in FINE:
            return ""
        files = changed(str(Path(folder(cluster.site)) / CODE_FILE))
        return told(files) if files else ""

    def _facts(self, target: Target, observed: Sequence[Handle]) -> Facts:
        cluster, rows = target.cluster, self.followers.board.rows
        now = self.followers.desired.cluster
        keys = changed_keys(now.spec if now else None, cluster.spec, cluster.services)
        steps = plan(cluster.services, observed, Goal(changed=keys))
        nodes = set(node_names(cluster.spec)) | {handle.service for handle in observed if _is_node(handle)}
        ending = {step.handle.service: step.why for step in steps.stop}
        head = rows.get(HEAD)
        new_options, makes_way, follows = _of_serve(cluster)
        return Facts(
            serves=cluster.spec.serve.wanted,
            head_is_well=head is not None and head.state in FINE and head.health in WELL,
            replaced={name: why for name, why in ending.items() if name in nodes},
            environment=differing(self.followers.desired.environment, target.environment),
            surges=cluster.site.ray.surges,
            ray=cluster.site.ray.version,
            baked=cluster.site.engine is not None and not cluster.spec.docker.mount_code,
            proxy_options=new_options,
            makes_way=makes_way,
            follows=follows,
        )

    async def _room(self, cluster: Cluster, facts: Facts) -> Room:
        """What the nodes have room for, as Ray tells it now, where nothing else is in the way; the memory as this
        machine does."""
        if hindrances(facts):
            return Room()
        try:
            names = application_names(cluster.spec, cluster.site)
            found, serve = await _told_room(cluster, names)
        except (TimeoutError, OSError, ValueError, KeyError, TypeError) as error:
            log.info("the room for replicas is not known: %s: %s", type(error).__name__, error)
            return Room(0, f"Ray does not tell whether there is room for more replicas ({type(error).__name__})")
        if not found.surge or cluster.site.engine:
            return found
        return await asyncio.to_thread(_with_memory, found, replicas(serve, names), found.surge, self._kept_bytes)


def services_of(choice: Choice | None, cluster: Cluster, *, anew: bool) -> Sequence[Service]:
    """The cluster's services as this way starts them; `anew` deploys applications of which nothing differs, too."""
    in_place = choice is not None and choice.way is not Way.REDEPLOY
    if in_place or (choice is None and not anew):
        return cluster.services
    how = choice or Choice(Way.REDEPLOY)
    redeploy = partial(redeploying, surge=how.surge, anew=anew, only=how.only, changed_only=how.changed_only)
    return tuple(redeploy(one, cluster.site) if one.name == SERVE else one for one in cluster.services)


def goal_of(choice: Choice | None, cluster: Cluster, again: frozenset[str], *, restart: bool) -> Goal:
    """What the way replaces, besides what is to be done again: in a change only what differs."""
    if choice is None or not restart:
        return Goal(replace_services=again, serving=SERVE if choice else "")
    if choice.way is Way.IN_PLACE:
        return Goal(frozenset({Tier.APP}), again)
    if choice.only:
        return Goal(replace_services=again | {SERVE}, serving=SERVE)
    nodes = node_names(cluster.spec)
    others = [one for one in cluster.services if one.run is not Run.TIMED]
    own = {one.name for one in others if one.tier is Tier.APP and one.name not in nodes}
    if choice.way is Way.REPLACE:
        return Goal(new_generation=True, alone=frozenset(own - {SERVE}))
    return Goal(replace_services=again | own, serving=SERVE)


def _is_node(handle: Handle) -> bool:
    return handle.is_worker and handle.state is not State.BROKEN


def _of_serve(cluster: Cluster) -> tuple[bool, list[str], bool]:
    """Whether Serve itself would start anew, which applications make way for another one before that answers, and
    whether replicas find the code of a version."""
    deployment = next((one for one in cluster.services if one.name == SERVE), None)
    path = Path(folder(site_inside(cluster.site, HEAD))) / DEPLOYED
    if deployment is None:
        return False, [], True
    job = json.loads(deployment.files[0].text)
    deployed = Deployed(str(path), str(read_book(path).get("head")))
    if job["config"] is None:
        wanted = {entry["name"]: entry["route"] or "" for entry in job["applications"]}
    else:
        wanted = {app.get("name", "default"): app.get("route_prefix") for app in job["config"].get("applications", ())}
    makes_way = deployed.in_the_way(wanted, by_config=job["config"] is not None)
    follows = deployed.follows or cluster.site.version is None
    return deployed.proxy_options not in (None, proxy_options_of(job)), sorted(makes_way), follows


async def _told_room(cluster: Cluster, names: Sequence[str]) -> tuple[Room, Any]:
    """And what Serve tells. Where the nodes' processes alone leave no room it is asked again, until they have settled.
    Raises TimeoutError, OSError, ValueError, KeyError or TypeError where there is no such answer."""
    loop = asyncio.get_running_loop()
    end = loop.time() + SETTLES_S
    while True:
        async with asyncio.timeout(ROOM_TIMEOUT_S):
            serve, nodes = await asyncio.gather(_ask(cluster, SERVE_PATH), _ask(cluster, NODES_PATH))
        summary = nodes["data"]["summary"]
        found = room(serve, summary, names)
        if found.surge or loop.time() >= end or not room(serve, without_processes(summary), names).surge:
            return found, serve
        await asyncio.sleep(LOOK_S)


async def _ask(cluster: Cluster, path: str) -> Any:
    """The dashboard's answer. Raises OSError or ValueError where there is none."""
    answer = await ask_dashboard(cluster, path, MOST_BYTES)
    if answer.status != http.OK:
        raise OSError(f"it answers {answer.status}")
    return json.loads(answer.text)


def _with_memory(found: Room, pids: Sequence[Sequence[int]], surge: int, kept_bytes: int) -> Room:
    """The room with what as many replicas take as will run more; none where the machine has not so much left, with what
    a generation takes that is kept and ends first."""
    sizes = [[private_bytes(pid) for pid in deployment] for deployment in pids]
    known = [[size for size in deployment if size] for deployment in sizes]
    if not any(known):
        return found
    needed = sum(sum(each) if surge > 1 else max(each, default=0) for each in known)
    free = machine().memory_available_bytes + kept_bytes
    if needed > free:
        why = f"another set of replicas takes {needed / 2**30:.2g} GiB, and {free / 2**30:.2g} GiB are free"
        return Room(0, why, needed)
    return replace(found, memory_bytes=needed)
