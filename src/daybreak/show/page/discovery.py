"""`/sd/ray`: Ray's metrics endpoints, for Prometheus' HTTP service discovery. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Target:
    """One endpoint that answers `/metrics`.

    `node` is daybreak's name of the Ray node, `component` what answers: `node`, `dashboard`, `autoscaler`, `haproxy`.
    """

    address: str
    node: str
    component: str


def document(cluster: str, generation: int, targets: Sequence[Target]) -> list[dict[str, Any]]:
    """One group for each endpoint, as `http_sd_configs` reads it."""
    return [
        {
            "targets": [target.address],
            "labels": {
                "cluster": cluster,
                "node": target.node,
                "component": target.component,
                "__meta_daybreak_generation": str(generation),
            },
        }
        for target in targets
    ]
