"""Serve as it is while somebody waits for its next answer: it looks more often, and leads over at once.

Its own proxy hears of a new replica from the controller. Its HAProxy has another process begun for it, while the one
before answers what it has accepted: for so long it is not certain that the new code answers alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from daybreak.extras.dev.room import with_each

if TYPE_CHECKING:
    from daybreak.spec import LoadedSpec

# With Serve's own values, a tenth of a second each, a save waits for the controller's next look at what is wanted, for
# the one that finds the new replica ready, and, where the spec has it, for HAProxy to be told. Where there are many
# replicas that spares work; where somebody waits there are few.
PACE = {"RAY_SERVE_CONTROL_LOOP_INTERVAL_S": "0.05", "RAY_SERVE_HAPROXY_BROADCAST_COALESCE_S": "0.02"}
# The template keeps processes ready in which Ray is imported: the program that deploys, and a replica's.
SPARES = {"DAYBREAK_SPARES": "1"}


def with_pace(loaded: LoadedSpec) -> LoadedSpec:
    """The same, with nodes whose Serve waits less, and no HAProxy in it. What the spec says itself counts."""
    paced = with_each(loaded, lambda node: {"env": {**PACE, **SPARES, **node.env}})
    serve = paced.spec.serve
    if serve.haproxy is not None:
        return paced
    own = serve.model_copy(update={"haproxy": False})
    return replace(paced, spec=paced.spec.model_copy(update={"serve": own}))
