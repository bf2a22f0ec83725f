"""What is checked on the machine before a run touches anything."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from daybreak.errors import PreflightError
from daybreak.plan import Plan
from daybreak.services.base import PortClaim
from daybreak.survey.holders import Holder
from daybreak.survey.listeners import is_held_by
from daybreak.survey.ports import holder_of


def preflight(steps: Plan, root: Path, own: Sequence[PortClaim] = ()) -> None:
    """Raise PreflightError where a port that will be needed is held by somebody else.

    A port of a service that this very run stops first is free by then. What a one-shot sets up listens in another
    service of the cluster in the folder `root`, which may go on: Serve's proxies live in the head. The ports of `own`
    are the keeper's; they count where anything is to start.
    """
    leaving = {step.handle.service for step in steps.stop}
    found: list[tuple[PortClaim, Holder]] = []
    for claim in own if steps.start else ():
        if holder := holder_of(claim.port, claim.host):
            found.append((claim, holder))
    for step in steps.start:
        if step.service.name in leaving:
            continue
        for claim in step.service.ports:
            holder = holder_of(claim.port, claim.host)
            if holder and not (step.service.one_shot and is_held_by(root, claim.port)):
                found.append((claim, holder))
    if found:
        stop = "; ".join(dict.fromkeys(holder.hint for _, holder in found))
        raise PreflightError(
            [f"port {claim.port} ({claim.purpose}) is in use by {holder}" for claim, holder in found],
            hint=f"{stop}, or move this cluster's ports with --port-offset 100 (ports.offset in the spec)",
        )
