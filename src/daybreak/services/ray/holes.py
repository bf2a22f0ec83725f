"""Versions of Ray in which somebody who reaches a port runs code or ends work without a token. Pure.

What only matters where no token is asked for is not listed beyond 2.52: daybreak turns tokens on.
"""

from __future__ import annotations

from dataclasses import dataclass

from daybreak.services.ray.serve_config import in_own_network
from daybreak.services.site import RayInstall, Site


@dataclass(frozen=True)
class Hole:
    """Open from the release `since` until `fixed`. `harm` completes "Ray 2.20.0: ...", `source` says who tells."""

    since: tuple[int, ...]
    fixed: tuple[int, ...]
    harm: str
    source: str

    @property
    def fixed_in(self) -> str:
        return ".".join(map(str, self.fixed))


OPEN_TO_ALL = (
    "WARNING: ray.auth is false: whoever reaches the dashboard or a gRPC port runs code as you, without a token: every "
    "account of this machine, web pages in a browser here, other hosts by the gRPC ports on all interfaces; remove "
    "`auth: false` as soon as your clients send the token (`daybreak env`)"
)
HOLES = (
    Hole(
        (0,),
        (2, 52, 0),
        "there are no tokens, so whoever reaches the dashboard or a gRPC port runs code here",
        "CVE-2023-48022, ShadowRay",
    ),
    Hole(
        (0,),
        (2, 52, 0),
        "a web page in Firefox or Safari reaches the jobs API by DNS rebinding, also on a loopback address",
        "CVE-2025-62593",
    ),
    # Read in the packages themselves: 2.54.0 and 2.57.1 have it, 2.53.0 and 2.58.0 do not.
    Hole(
        (2, 54, 0),
        (2, 58, 0),
        "each Serve replica's internal gRPC port, on all interfaces, runs code for whoever reaches it, token or not",
        "ray-project/ray pull request 65189",
    ),
)


def holes(ray: RayInstall) -> tuple[Hole, ...]:
    """Those of this version."""
    return tuple(hole for hole in HOLES if hole.since <= ray.release < hole.fixed)


def warnings(site: Site) -> tuple[str, ...]:
    """What the user should know before nodes start. In a network of their own nobody reaches the ports in question."""
    if in_own_network(site):
        return without_token(site)
    return (*without_token(site), *_of_version(site))


def without_token(site: Site) -> tuple[str, ...]:
    """Said as long as it is so: the spec has turned off what keeps others out."""
    return (OPEN_TO_ALL,) if site.ray.knows_tokens and not site.ray.tokens else ()


def _of_version(site: Site) -> tuple[str, ...]:
    return tuple(
        f"Ray {site.ray.version}: {hole.harm} ({hole.source}); fixed in {hole.fixed_in}" for hole in holes(site.ray)
    )
