"""What is wanted of the cluster: the stored state, what it means on this machine, and the environment it is started
with. They change together, and only when everything that can be checked before has been."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from daybreak.errors import PreflightError, UsageError
from daybreak.keeper import environment, owner
from daybreak.keeper.page import Cluster
from daybreak.keeper.place import Place
from daybreak.keeper.wanted import WantedState
from daybreak.paths import ClusterPaths
from daybreak.services import warm
from daybreak.services.build import build
from daybreak.spec.model import Spec
from daybreak.survey.site import write_connections


@dataclass(frozen=True)
class Target:
    """One thing that can be wanted: the state, the cluster that it means here, and the environment it starts with."""

    state: WantedState
    cluster: Cluster
    environment: Mapping[str, str]

    def with_state(self, **changes: Any) -> Target:
        return replace(self, state=self.state.with_changes(**changes))


class Desired:
    """One cluster's wanted state. `on_full_disk` is told where it cannot be stored in the middle of something."""

    def __init__(self, paths: ClusterPaths, on_full_disk: Callable[[str], None]) -> None:
        self._paths = paths
        self._on_full_disk = on_full_disk
        self.state = WantedState.load(paths.wanted)
        self.cluster: Cluster | None = None
        self.place = Place(paths, self.state)
        self._environment: Mapping[str, str] = environment.load(paths.environment)
        self.place.inherit(self._environment)

    # --- what something would be --------------------------------------------------------------------------------------

    def asked_for(self, request: Mapping[str, Any]) -> WantedState:
        """The stored state with what the request changes. Raises UsageError for another folder's cluster."""
        before = self.state
        if "base" in request and not request.get("take_over"):
            owner.require(self._paths, Path(request["base"]), owner.claim_hint(self._paths.name))
        if "spec" in request:
            state = WantedState(
                spec=request["spec"],
                base=str(request["base"]),
                source=request.get("source"),
                generation=before.generation if before else 0,
                backend=before.backend if before else None,
            )
        elif before:
            state = before.with_changes(base=str(request.get("base", before.base)))
            if request.get("restart"):
                # Whatever is started anew is started as the source is now; else an edit replaces no head.
                state = state.with_changes(affinity=None)
        else:
            raise UsageError("this cluster has never been started", hint="start it with `daybreak up`")
        workers = request.get("workers")
        if workers is None and request.get("keep_workers") and before:
            workers = before.workers
        spec = state.spec
        if workers is not None:
            spec = {**spec, "workers": {**spec.get("workers", {}), "count": workers}}
        backend = request.get("backend") or state.backend
        if backend is not None:
            spec = {**spec, "backend": backend}
        return state.with_changes(spec=spec, workers=workers, backend=backend, settled=False, given_up=())

    def target(self, state: WantedState, given: Mapping[str, str] | None = None, *, only_look: bool = False) -> Target:
        """What a state means on this machine, started with the environment that is `given`, or with the last one.
        Secrets and ports that are missing are made, unless it `only_look`s."""
        inherited = environment.renewed(self._environment, given) if given else self._environment
        spec = Spec.model_validate(state.spec)
        site = self.place.survey(spec, Path(state.base), only_look=only_look)
        state = state.with_changes(affinity=site.affinity if state.affinity is None else state.affinity)
        site = replace(site, affinity=state.affinity or "")
        if not spec.in_containers:
            own = warm.environment(spec, site)
            site = replace(site, environment=environment.of_template(self._paths.warm / "state.json", inherited, own))
        return Target(state, Cluster(spec, site, build(spec, site)), inherited)

    def before(self) -> Target | None:
        """What is wanted and looked after now; None where nothing is."""
        if self.state and self.cluster and self.state.settled:
            return Target(self.state, self.cluster, self._environment)
        return None

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
        write_connections(target.cluster.spec, target.cluster.site, self._paths)
        if target.environment is not self._environment:
            self._environment = target.environment
            self.place.inherit(target.environment)
            environment.save(self._paths.environment, target.environment)

    def change(self, **changes: Any) -> None:
        """Change a part of the stored state; on a full disk everything goes on, only a later keeper would know an older
        one."""
        if self.state is None:
            return
        self.state = self.state.with_changes(**changes)
        try:
            self.state.save(self._paths.wanted)
        except OSError as error:
            self._on_full_disk(f"{self._paths.wanted} cannot be written: {error.strerror}")

    def end(self) -> None:
        """Nothing runs any more: the next start gets its own shell's environment alone."""
        self.cluster = None
        self._paths.environment.unlink(missing_ok=True)
