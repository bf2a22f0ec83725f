"""What is wanted of the cluster: the stored state, what it means on this machine, and the environment it is started
with. They change together, and only when everything that can be checked before has been."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from daybreak.errors import PreflightError
from daybreak.keeper.backends.both_backends import Backends
from daybreak.keeper.control import owner
from daybreak.keeper.wanted import environment, handing
from daybreak.keeper.wanted.code_link import lead
from daybreak.keeper.wanted.handing import Handing
from daybreak.keeper.wanted.wanted_state import WantedState
from daybreak.machine.gpus import assign, find_gpus
from daybreak.machine.machine import machine
from daybreak.machine.survey import write_connections
from daybreak.paths import ClusterPaths
from daybreak.programs.warm import registry
from daybreak.services.build import Cluster, build
from daybreak.services.ray import warm
from daybreak.services.ray.cpus import settled
from daybreak.services.service import Service, Tier
from daybreak.services.site import Site
from daybreak.spec.handing import source_variables
from daybreak.spec.model import Spec

Build = Callable[[Spec, Site], tuple[Service, ...]]


@dataclass(frozen=True)
class Target:
    """One thing that can be wanted: the state, the cluster that it means here, and the environment it starts with."""

    state: WantedState
    cluster: Cluster
    environment: Mapping[str, str]
    handing: Handing = Handing()

    def with_state(self, **changes: Any) -> Target:
        return replace(self, state=self.state.with_changes(**changes))


def template_alone(target: Target) -> Target:
    """The same with nothing but the warm template."""
    cluster = target.cluster
    services = tuple(service for service in cluster.services if service.tier is Tier.WARM)
    return replace(target, cluster=Cluster(cluster.spec, cluster.site, services))


class Desired:
    """One cluster's wanted state. `on_full_disk` is told where it cannot be stored in the middle of something."""

    def __init__(
        self,
        paths: ClusterPaths,
        state: WantedState | None,
        backends: Backends,
        on_full_disk: Callable[[str], None],
        build: Build = build,
    ) -> None:
        self._paths = paths
        self._on_full_disk = on_full_disk
        self._build = build
        self.state = state
        self.cluster: Cluster | None = None
        self.backends = backends
        self._environment: Mapping[str, str] = environment.load(paths.environment)
        self.backends.inherit(self._environment)

    @property
    def environment(self) -> Mapping[str, str]:
        """What services that start now inherit."""
        return self._environment

    @property
    def serving(self) -> Cluster | None:
        """What is wanted, unless that is the template alone."""
        there = self.cluster and any(service.tier is not Tier.WARM for service in self.cluster.services)
        return self.cluster if there else None

    # --- what something would be --------------------------------------------------------------------------------------

    async def target(
        self,
        state: WantedState,
        given: Mapping[str, str] | None = None,
        *,
        only_look: bool = False,
        inherited: Mapping[str, str] | None = None,
        asked: Mapping[str, str] | None = None,
        strict: bool = False,
        like: Target | None = None,
    ) -> Target:
        """What a state means on this machine, started with the environment that is `given`, or with the last one;
        `inherited` is that of what runs already, `asked` that of the command, in which the user's secrets
        are; `strict`: they must be there.
        Secrets and ports that are missing are made, unless it `only_look`s. Where a target that has just been made is
        `like` it, the machine is not looked at again."""
        if inherited is None:
            inherited = environment.renewed(self._environment, given) if given else self._environment
        spec = settled(state.spec, machine().cpus, alone=state.alone, among=state.sharing)
        inherited = environment.without(inherited, source_variables(spec))
        site = like.cluster.site if like and _looks_for(like.state) == _looks_for(state) else None
        if site is None:
            look = partial(
                self.backends.engine.survey, slot=state.slot, only_look=only_look, version=state.code_version
            )
            # In a thread: what runs is listened to meanwhile, and it can be waited for no longer.
            site = await asyncio.to_thread(look, spec, Path(state.base))
        there = await asyncio.to_thread(find_gpus, inherited)
        gpus = assign(spec, self._paths, there, alone=state.alone, keep=not only_look)
        site = replace(site, gpus=gpus, gpus_there=len(there or ()))
        hands = partial(handing.look, only_look=only_look, strict=strict)
        handed = await asyncio.to_thread(hands, spec, Path(state.base), self._paths, asked, state.handed)
        affinity = site.affinity if state.affinity is None else state.affinity
        state = state.with_changes(affinity=affinity, handed=handed.handed)
        site = replace(site, affinity=state.affinity or "", handed=handed.handed)
        if not spec.in_containers:
            own = warm.environment(spec, site)
            site = replace(site, environment=environment.of_template(self._paths.warm / registry.STATE, inherited, own))
        return Target(state, Cluster(spec, site, self._build(spec, site)), inherited, handed)

    def before(self) -> Target | None:
        """What is wanted and looked after now; None where nothing is."""
        if self.state and self.cluster and self.state.settled:
            return Target(self.state, self.cluster, self._environment)
        return None

    async def way_back(self) -> Target | None:
        """What is wanted again where a change fails: what is wanted now, or what was before another keeper was killed
        in the middle of a change. None where nothing was."""
        begun = self.state.under_way if self.state else None
        if begun is None or begun.before is None:
            return self.before()
        return await self.target(begun.before)

    # --- wanting it ---------------------------------------------------------------------------------------------------

    def take_over(self, target: Target) -> None:
        """The cluster is this folder's from now on, and this is what is wanted of it.

        Raises PreflightError where that cannot be stored.
        """
        try:
            owner.Owner.of(Path(target.state.base)).save(self._paths)
            target.state.save(self._paths.wanted)
        except OSError as error:
            raise PreflightError(
                [f"{self._paths.wanted} cannot be written: {error.strerror}"],
                hint="free some space, or make it writable",
            ) from error
        self.become(target)

    def become(self, target: Target) -> None:
        """From now on this is what is wanted, and what programs reach."""
        self.state, self.cluster = target.state, target.cluster
        self._hand_over(target)
        write_connections(target.cluster.spec, target.cluster.site, self._paths)
        self.lead_to_the_code(target)
        if target.environment is not self._environment:
            self._environment = target.environment
            self.backends.inherit(target.environment)
            environment.save(self._paths.environment, target.environment)

    def _hand_over(self, target: Target) -> None:
        try:
            handing.write(target.handing, self._paths.handed)
        except OSError as error:
            raise PreflightError(
                [f"{self._paths.handed} cannot be written: {error.strerror}"], hint="free some space there"
            ) from error

    def lead_to_the_code(self, target: Target) -> None:
        """Replicas that start in its slot import what it deploys."""
        try:
            lead(self._paths, target.cluster.site.slot, target.state.code_version)
        except OSError as error:
            self._on_full_disk(f"{self._paths.code} cannot be written: {error.strerror}")

    def change(self, **changes: Any) -> None:
        """Change a part of the stored state; on a full disk everything goes on, only a later keeper would know an older
        one."""
        if self.state is None:
            return
        self.state = self.state.with_changes(**changes)
        if changes.get("settled") and self.state.kept is None:
            handing.prune(self._paths.handed, self.state.handed)
        try:
            self.state.save(self._paths.wanted)
        except OSError as error:
            self._on_full_disk(f"{self._paths.wanted} cannot be written: {error.strerror}")

    def end(self) -> None:
        """Nothing runs any more: the next start gets its own shell's environment alone."""
        self.cluster = None
        self._paths.environment.unlink(missing_ok=True)


def _looks_for(state: WantedState) -> tuple[Any, ...]:
    """What a look at the machine depends on."""
    return state.spec, state.base, state.slot, state.code_version
