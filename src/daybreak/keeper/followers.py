"""Everybody who must know what is wanted, and what is there: they are told together."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from daybreak.backends.base import Handle, in_slot
from daybreak.keeper.alerting.alerting import Alerting
from daybreak.keeper.gateway.steering import Steering
from daybreak.keeper.gateway.traffic import Traffic
from daybreak.keeper.page.keeper_page import KeeperPage
from daybreak.keeper.ray.applications import Applications
from daybreak.keeper.ray.draining import Draining
from daybreak.keeper.ray.template_control import TemplateControl
from daybreak.keeper.supervision.supervisor import Supervisor
from daybreak.keeper.wanted.desired import Desired, Target
from daybreak.services.build import Cluster
from daybreak.services.service import Run, Service, Tier
from daybreak.states import FINE, ServiceState
from daybreak.timeline.board import Board


@dataclass(frozen=True)
class Followers:
    """The desired state with those who follow it."""

    desired: Desired
    board: Board
    supervisor: Supervisor
    page: KeeperPage
    applications: Applications
    template: TemplateControl
    gateway: Steering
    traffic: Traffic
    draining: Draining
    alerting: Alerting

    def take_over(self, target: Target) -> None:
        """A command wants this from now on: nothing is given up any more."""
        self.desired.take_over(target)
        self.supervisor.forgive()
        self.want(target.cluster)

    def want(self, cluster: Cluster) -> None:
        self.leave_stopped()
        self.board.want(cluster.services)
        self.page.want(cluster)
        self.applications.want(cluster)
        self.template.want(cluster)
        self.gateway.want(cluster)
        self.traffic.want(cluster)
        self.draining.want(cluster)
        self.alerting.want(cluster)

    def leave_stopped(self) -> None:
        """What the user has stopped is brought back by nobody else."""
        self.supervisor.stopped = frozenset(self.desired.state.stopped if self.desired.state else ())
        for service in self.supervisor.stopped:
            self.supervisor.forget(service)

    def here(self, handles: Sequence[Handle]) -> list[Handle]:
        """Those of the generation that is wanted, and of what belongs to none."""
        return in_slot(handles, self.desired.state.slot) if self.desired.state else list(handles)

    def kept(self, handles: Sequence[Handle]) -> list[Handle]:
        """Those of the generation before, where that is kept."""
        kept = self.desired.state.kept if self.desired.state else None
        return [handle for handle in handles if kept and handle.tier == Tier.APP and handle.slot is kept.state.slot]

    def but_kept(self, handles: Sequence[Handle]) -> list[Handle]:
        """All but those: what has to do with them nobody but their owner does."""
        kept = self.kept(handles)
        return [handle for handle in handles if handle not in kept]

    def observed(self, handles: Sequence[Handle]) -> None:
        """Watch exactly these from now on, as far as they are of the generation that is wanted."""
        services, here = self.desired.cluster.services if self.desired.cluster else (), self.here(handles)
        self.supervisor.sync(services, here)
        self.board.observe(here)

    def unproven(self, services: Sequence[Service]) -> tuple[frozenset[str], frozenset[str]]:
        """The services that may be running but were never seen ready, and those of them to be done again instead.

        How a one-shot of an earlier keeper, or what runs once, ended cannot be known. A worker that was drained and not
        stopped is done again as well: it is about to end.
        """
        unready = {name for name, row in self.board.rows.items() if row.state not in FINE}
        ends = [service for service in services if service.one_shot or service.run is Run.ONCE]
        again = {service.name for service in ends if service.name in unready}
        again |= {service.name for service in services if self._ends(service.name)}
        timed = {service.name for service in services if service.run is Run.TIMED}
        return frozenset(unready - again - timed), frozenset(again)

    def _ends(self, name: str) -> bool:
        row = self.board.rows.get(name)
        return bool(row and row.instance and self.draining.ends(row.instance))

    def give_up(self, services: AbstractSet[str]) -> None:
        """These stay as they are until the next command."""
        self.supervisor.give_up(services)
        self.remember_given_up()

    def give_up_failed(self) -> None:
        """The same for what the last run could not start."""
        self.give_up({name for name, row in self.board.rows.items() if row.state is ServiceState.FAILED})

    def remember_given_up(self) -> None:
        """Keep what is not to be restarted, so that a new keeper leaves it alone as well."""
        state = self.desired.state
        if state and set(state.given_up) != self.supervisor.given_up:
            self.desired.change(given_up=tuple(sorted(self.supervisor.given_up)))

    def end(self) -> None:
        """Nothing is wanted any more."""
        self.page.end()
        self.traffic.end()
        self.gateway.end()
        self.alerting.end()
        self.desired.end()
        self.board.clear()
