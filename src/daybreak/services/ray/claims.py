"""The ports at which the head is reached, for whoever starts it and whoever looks for who holds one. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from daybreak.names import HEAD
from daybreak.services.container_site import ANYWHERE
from daybreak.services.service import PortClaim
from daybreak.spec.model import Spec


def of_head(
    spec: Spec, ports: Mapping[str, int], host: str = ANYWHERE, *, dashboard: bool = True
) -> tuple[PortClaim, ...]:
    """Those of Ray itself. GCS and client server listen at `host`; `ports` may have others than the spec. Without
    `dashboard` its port is somebody else's."""
    found = [PortClaim(host, ports.get(f"{HEAD}.gcs", spec.port("gcs")), "GCS")]
    if spec.dashboard and dashboard:
        found.append(of_dashboard(spec))
    if spec.ray.client:
        found.append(PortClaim(host, ports.get(f"{HEAD}.client", spec.port("client")), "Ray client"))
    return tuple(found)


def of_dashboard(spec: Spec) -> PortClaim:
    """Where people reach the dashboard."""
    return PortClaim(spec.listen, spec.port("dashboard"), "dashboard")
