"""What is checked on the machine before a run touches anything."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from daybreak.errors import PreflightError
from daybreak.plan import Plan
from daybreak.services.base import PortClaim
from daybreak.survey.listeners import is_held_by
from daybreak.survey.ports import owner_of


def preflight(steps: Plan, root: Path, own: Sequence[PortClaim] = ()) -> None:
    """Raise PreflightError where a port that will be needed is held by somebody else.

    A port of a service that this very run stops first is free by then. What a one-shot sets up listens in another
    service of the cluster in the folder `root`, which may go on: Serve's proxies live in the head. The ports of `own`
    are the keeper's; they count where anything is to start.
    """
    leaving = {step.handle.service for step in steps.stop}
    claims = own if steps.start else ()
    problems = [_in_use(claim, owner) for claim in claims if (owner := owner_of(claim.port, claim.host))]
    for step in steps.start:
        if step.service.name in leaving:
            continue
        for claim in step.service.ports:
            owner = owner_of(claim.port, claim.host)
            if owner and not (step.service.one_shot and is_held_by(root, claim.port)):
                problems.append(_in_use(claim, owner))
    if problems:
        raise PreflightError(
            problems, hint="stop it, or move this cluster's ports with --port-offset 100 (ports.offset in the spec)"
        )


def _in_use(claim: PortClaim, owner: str) -> str:
    return f"port {claim.port} ({claim.purpose}) is in use by {owner}"
