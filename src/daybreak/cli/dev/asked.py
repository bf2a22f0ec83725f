"""What the command line of `dev` asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from daybreak import api
from daybreak.cli.common import options
from daybreak.cli.common.given_spec import given_or_stored, load
from daybreak.extras.dev.pace import with_pace
from daybreak.extras.dev.room import with_room
from daybreak.extras.dev.stops import with_stops
from daybreak.paths import ClusterPaths
from daybreak.spec.groups import Counts

if TYPE_CHECKING:
    from daybreak.spec import LoadedSpec


@dataclass(frozen=True)
class Asked:
    """What the command line says of the cluster. `workers` is None where the spec, or what runs already, decides.

    `roomy`: the nodes offer more CPUs than the spec says, so that new replicas have room beside those that they
    replace, and beside those that the saves before have replaced and that are still draining; their Serve waits less.
    They also know where to tell of a `breakpoint()`; `debug`: and replicas let a debugger in.
    """

    workers: Counts | None
    app: str | None
    name: str | None
    file: options.Words
    port_offset: int | None
    roomy: bool = True
    debug: bool = False

    def spec(self) -> LoadedSpec | None:
        """As it is now; None for a cluster without a file that goes on as it runs."""
        if not self.roomy:
            return given_or_stored(self.workers, self.app, self.name, self.file, self.port_offset)
        found = load(self.file, name=self.name, app=self.app, workers=self.workers, port_offset=self.port_offset)
        return with_stops(with_pace(with_room(found)), ClusterPaths.of(found.spec.name).breakpoints, debug=self.debug)

    def bring_up(self, name: str) -> Callable[[api.OnMessage], api.Cluster]:
        """`up` with the spec as it is by then."""

        def up(on_message: api.OnMessage) -> api.Cluster:
            spec = self.spec()
            if spec is None:
                return api.up_again(name, workers=self.workers, on_message=on_message)
            return api.up(spec, workers=self.workers, changed_only=True, on_message=on_message)

        return up

    def restart(self, name: str) -> Callable[[api.OnMessage], api.Cluster]:
        return lambda told: api.restart(self.spec(), name=name, on_message=told)
