"""From a request to the plan that is carried out: `up` and `plan` come to the same one, on the same way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from daybreak.backends.base import Handle
from daybreak.errors import PreflightError, UsageError
from daybreak.keeper.backends.both_backends import Backends
from daybreak.keeper.control import owner
from daybreak.keeper.control.request import Request
from daybreak.keeper.followers import Followers
from daybreak.keeper.planning import database_notes
from daybreak.keeper.planning.capacity import room_for_objects, room_for_replicas
from daybreak.keeper.planning.intent import Intent, intent, wanted_by
from daybreak.keeper.planning.restart_facts import Ways, goal_of, services_of
from daybreak.keeper.runs.preflight import preflight, require_hosts
from daybreak.keeper.versions.keeping import Versions
from daybreak.keeper.wanted.desired import Target
from daybreak.keeper.wanted.wanted_state import WantedState
from daybreak.machine.hosts import require_ssh
from daybreak.names import GATEWAY, HEAD, SERVE
from daybreak.paths import ClusterPaths
from daybreak.run.canary import Step
from daybreak.run.change import Change
from daybreak.run.changed_keys import changed_keys
from daybreak.run.considered import considered
from daybreak.run.plan import Plan
from daybreak.run.restart_way import Choice, Way
from daybreak.services.build import Cluster
from daybreak.services.ray import cpus, gpus, holes
from daybreak.services.ray.addresses import node_names
from daybreak.services.ray.serve import folder, notes
from daybreak.services.ray.serve_routes import application_names
from daybreak.spec.model import Spec
from daybreak.timeline.event import RunKind


@dataclass(frozen=True)
class Prepared:
    """A change that can be carried out. `before` is what was wanted until now, None where nothing was; `choice` is the
    way of a restart; `anew`: it deploys applications again of which nothing differs. `keep_s` is how long the
    generation before is kept, 0 where it ends; `canary` in which steps requests go over; `rehearse`: the last requests
    are asked of both before."""

    kind: RunKind
    target: Target
    before: Target | None
    change: Change
    steps: Plan
    observed: Sequence[Handle]
    choice: Choice | None = None
    anew: bool = False
    keep_s: float = 0.0
    canary: Sequence[Step] = ()
    rehearse: bool = False

    @property
    def tries_itself(self) -> bool:
        """Are the applications imported and built before anything is touched anyway? A redeployment by import path does
        so while those of before serve, and so does a generation that starts beside them; trying them in a process of
        their own first would do all of it twice."""
        by_import = self.target.cluster.site.serve_config is None
        way = self.choice.way if self.choice else None
        return way is Way.REPLACE or (by_import and way is Way.REDEPLOY)

    @property
    def serves_on(self) -> bool:
        """Do the applications of before serve until those that replace them do?"""
        return not any(step.handle.service in (HEAD, SERVE) and not step.behind for step in self.steps.stop)


@dataclass(frozen=True)
class _Route:
    """How what is meant is reached. `anew`: the applications are deployed again although nothing of them differs;
    `restart`: as a restart is."""

    meant: Intent
    target: Target
    choice: Choice | None
    anew: bool
    restart: bool = False


@dataclass
class Preparation:
    """Works out what a request comes to; nothing that runs is touched."""

    paths: ClusterPaths
    backends: Backends
    followers: Followers
    ways: Ways
    versions: Versions

    def wanted(self, request: Request) -> WantedState:
        """Raises UsageError for another folder's cluster."""
        if request.base is not None and not request.take_over:
            owner.require(self.paths, Path(request.base), owner.claim_hint(self.paths.name))
        return wanted_by(request, self.followers.desired.state)

    async def prepare(
        self, request: Request, settle: Callable[[Spec], Awaitable[None]], *, only_look: bool = False
    ) -> Prepared:
        """`settle` chooses the backend of the spec. With `only_look` nothing at all is kept."""
        request = await self.versions.meant(request, only_look=only_look)
        state = self.wanted(request)
        self._require_kept_requests(request, state.spec)
        await settle(state.spec)
        observed = self.followers.but_kept(await self.backends.observe())
        route = await self._route(request, state, self.followers.here(observed), only_look)
        if route.choice and route.choice.way is Way.REPLACE:
            # What is left in the other slot is cleared away first.
            observed = self.followers.here(observed)
        target, choice = route.target, route.choice
        services = considered(services_of(choice, target.cluster, anew=route.anew), observed, target.state.stopped)
        before = await self.followers.desired.way_back()
        unproven, again = self.followers.unproven(services)
        keys = changed_keys(before.cluster.spec if before else None, target.cluster.spec, services)
        keep_s = _keeps(request, choice, before, target.cluster.spec)
        change = Change(
            services,
            replace(goal_of(choice, target.cluster, again, restart=route.restart), keeps=bool(keep_s), changed=keys),
            keep_on_failure=request.keep,
            generation=target.state.generation,
            unproven=unproven,
            before=before.cluster.services if before else (),
            way=choice.way if choice else None,
        )
        steps = change.plan(observed)
        made = Prepared(route.meant.kind, target, before, change, steps, observed, choice, route.anew, keep_s)
        return replace(made, canary=request.canary, rehearse=request.rehearse)

    def _require_kept_requests(self, request: Request, spec: Spec) -> None:
        """Raise UsageError where a rehearsal is asked for and the gateway keeps no requests."""
        runs = self.followers.desired.state
        if not request.rehearse or (spec.gateway.rehearse.enabled and runs and runs.spec.gateway.rehearse.enabled):
            return
        if spec.gateway.rehearse.enabled:
            raise UsageError(
                "cannot rehearse, nothing was changed: the gateway that runs keeps no requests",
                hint="`daybreak up` first: it starts one that does",
            )
        raise UsageError(
            "cannot rehearse, nothing was changed: the spec has no requests kept",
            hint="write `gateway: {rehearse: true}`, run `daybreak up`, and let people ask for something",
        )

    async def _route(self, request: Request, state: WantedState, observed: Sequence[Handle], only_look: bool) -> _Route:
        """How it is reached: a restart goes one of its ways, and so does a change that leaves applications as they are
        whose code has changed."""
        meant, target = intent(request, state, observed), None
        because = "" if request.left is None else f"back to version {request.version}"
        if not request.restart:
            target = await self._target(request, meant, only_look)
            because = await self._changed_code(request, state)
            if not because or not self.ways.serves_on(target, observed):
                return _Route(meant, target, await self.ways.of_change(target, observed), anew=bool(because))
            request = replace(request, restart=True)
            meant = intent(request, state, observed)
        target = await self._target(request, meant, only_look, like=target)
        choice = await self.ways.choose(request.way, target, observed, because, keep=request.keep)
        only = _known_application(request.application, target.cluster)
        choice = replace(choice, only=only, changed_only=request.changed_only)
        if choice.way is Way.REPLACE:
            meant = meant.elsewhere()
            target = await self._target(request, meant, only_look)
        if choice.way is Way.REDEPLOY:
            # The nodes keep their generation and their environment.
            meant = meant.in_this_generation()
            target = await self._target(request, meant, only_look, like=target)
        return _Route(meant, target, choice, anew=True, restart=True)

    async def _target(self, request: Request, meant: Intent, only_look: bool, like: Target | None = None) -> Target:
        given = request.environment if meant.renews else None
        # A version's environment is no command's: it has no secrets.
        asked = None if request.left is not None else request.environment
        target = self.followers.desired.target
        return await target(meant.state, given, only_look=only_look, asked=asked, strict=True, like=like)

    async def _changed_code(self, request: Request, state: WantedState) -> str:
        """Another number of workers is no word about the applications."""
        before = self.followers.desired.state
        if before and before.rolled_back is not None and state.rolled_back is None:
            return f"the folder has changed since version {before.version} was deployed again"
        return "" if request.only_running else await asyncio.to_thread(self.ways.changed_code, state.spec)

    async def check(self, prepared: Prepared) -> list[str]:
        """What the user should know before it begins. Raises PreflightError where the machine speaks against it."""
        cluster, before, steps = prepared.target.cluster, prepared.before, prepared.steps
        claims = self.followers.page.claims(cluster)
        had = before.cluster.services if before else None
        _require_gateway_for_tls(cluster)
        self._require_code_of_version(prepared)
        kept = before.state.kept if before else None
        await asyncio.to_thread(preflight, steps, self.paths.root, claims, had, kept.ports if kept else ())
        require_ssh(cluster.spec, prepared.target.environment)
        if any(step.service.name in node_names(cluster.spec) for step in steps.start):
            await asyncio.to_thread(require_hosts, cluster.spec, Path(cluster.site.base))
        told = room_for_objects(steps, prepared.observed, cluster.spec)
        told += room_for_replicas(steps, cluster.spec, Path(folder(cluster.site)))
        told += _of_version(prepared.target.state) + _of_stopped(prepared.target)
        stored = self.followers.desired.state
        told += database_notes.notes(cluster, stored, before, steps, tuple(prepared.observed))
        told += [cluster.site.tls_note] if cluster.site.tls_note else []
        if steps.starts(HEAD) and not cluster.spec.in_containers:
            told += cpus.notes(prepared.target.state.spec, cluster.site.cpus)
        told += gpus.notes(cluster.spec, cluster.site) if steps.starts(HEAD) else []
        told += (holes.warnings if steps.starts(HEAD) else holes.without_token)(cluster.site)
        return told + (list(notes(cluster.spec, cluster.site)) if steps.starts(SERVE) else [])

    def _require_code_of_version(self, prepared: Prepared) -> None:
        """Raise PreflightError where a version is to be deployed and the folder's code would be."""
        cluster, steps = prepared.target.cluster, prepared.steps
        why = self.ways.against_version(cluster, head_stays=not steps.starts(HEAD)) if steps.starts(SERVE) else ""
        if why:
            hint = "to return to earlier code, put it into the folder and run `daybreak restart`"
            raise PreflightError([f"version {cluster.site.version} cannot be deployed: {why}"], hint=hint)


def _keeps(request: Request, choice: Choice | None, before: Target | None, spec: Spec) -> float:
    """How long the generation before is to be kept, in seconds; 0 where it is not. Raises UsageError where that is
    asked for and cannot be."""
    if choice is None or choice.way is not Way.REPLACE or before is None or request.left is not None:
        return 0.0
    if before.state.version is None:
        if not request.keep_old:
            return 0.0
        raise UsageError(
            "cannot keep the old generation, nothing was changed: no version is known of what serves",
            hint="each `up` and `restart` of applications that goes well keeps one, unless `versions.keep` is 0",
        )
    return request.keep_old or spec.versions.keep_old or 0.0


def _known_application(name: str | None, cluster: Cluster) -> str:
    """The one application that is meant; empty for all. Raises UsageError for one that there is not."""
    names = application_names(cluster.spec, cluster.site)
    if name is not None and name not in names:
        hint = f"it has {', '.join(names)}" if names else "it has none"
        raise UsageError(f"{cluster.spec.name} has no application {name!r}; nothing was changed", hint=hint)
    return name or ""


def _of_version(state: WantedState) -> list[str]:
    if state.rolled_back is None or state.version is None:
        return []
    return [f"version {state.version} is deployed, not what the folder has: `daybreak restart` deploys that"]


def _of_stopped(target: Target) -> list[str]:
    names = [one.name for one in target.cluster.services if one.name in target.state.stopped]
    if not names:
        return []
    return [f"{', '.join(names)}: stopped by you, and left so; `daybreak start {' '.join(names)}` starts it again"]


def _require_gateway_for_tls(cluster: Cluster) -> None:
    """Raise PreflightError where HTTPS is asked for and nobody is there who speaks it."""
    if cluster.spec.tls and not any(service.name == GATEWAY for service in cluster.services):
        why = cluster.site.absent.get(GATEWAY, "there are no applications behind it")
        raise PreflightError([f"tls needs the gateway, and there is none: {why}"])
