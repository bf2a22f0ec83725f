"""Where a generation of the app tier is told that it ends, so that it closes its WebSockets in order. Pure.

`programs/warm/closing.py` looks there: what is forked from the template does, and no other process.
"""

from __future__ import annotations

from daybreak.programs.warm.closing import VARIABLE
from daybreak.services.ray.addresses import node_names
from daybreak.services.site import Site
from daybreak.spec.model import Spec

FILE = "closing"


def env(spec: Spec, site: Site) -> dict[str, str]:
    """For every node: what answers may run on any of them."""
    return {VARIABLE: site.place(FILE)} if spec.warm.enabled else {}


def files(spec: Spec, site: Site) -> tuple[str, ...]:
    """What is to be touched: a container sees its own folder alone. Nothing where nobody would look."""
    if not spec.warm.enabled:
        return ()
    if site.engine is None:
        return (site.place(FILE),)
    return tuple(f"{site.place(node)}/{FILE}" for node in node_names(spec))
