"""What is checked on the machine before a run touches anything."""

from __future__ import annotations

from daybreak.errors import PreflightError
from daybreak.plan import Plan
from daybreak.survey.ports import owner_of


def preflight(steps: Plan) -> None:
    """Raise PreflightError where a port that will be needed is held by somebody else.

    A port of a service that this very run stops first is free by then.
    """
    leaving = {step.handle.service for step in steps.stop}
    problems = []
    for step in steps.start:
        if step.service.name in leaving:
            continue
        for claim in step.service.ports:
            owner = owner_of(claim.port, claim.host)
            if owner:
                problems.append(f"port {claim.port} ({claim.purpose}) is in use by {owner}")
    if problems:
        raise PreflightError(
            problems, hint="stop it, or move this cluster's ports with --port-offset 100 (ports.offset in the spec)"
        )
