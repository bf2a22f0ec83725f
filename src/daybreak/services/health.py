"""The spec's health policy with a service's own check. Pure."""

from __future__ import annotations

from daybreak.services.service import Check, HealthPolicy
from daybreak.spec.model import Spec


def policy(spec: Spec, check: Check | None) -> HealthPolicy:
    """How often it is asked, and when the service counts as unhealthy."""
    given = spec.health
    return HealthPolicy(check, given.interval, given.timeout, given.retries, given.start_period)
