"""What is checked on the machine before a run touches anything."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from daybreak.errors import PreflightError
from daybreak.machine.holders import Holder
from daybreak.machine.hosts import require_address, require_head, require_private
from daybreak.machine.listeners import is_held_by
from daybreak.machine.ports import holder_of
from daybreak.run.plan import Plan
from daybreak.services.service import PortClaim, Service
from daybreak.spec.model import Spec


def preflight(
    steps: Plan,
    root: Path,
    own: Sequence[PortClaim] = (),
    before: Sequence[Service] | None = None,
    kept: Collection[int] = (),
) -> None:
    """Raise PreflightError where a port that will be needed is held by somebody else.

    The ports that services of this very run had `before` they are stopped are free by then, and so are those of a
    generation that is `kept`, which ends first. What a one-shot sets up
    listens in another service of the cluster in the folder `root`, which may go on: Serve's proxies live in the head.
    The ports of `own` are the keeper's; they count where anything is to start.
    """
    leaving = {step.handle.service for step in steps.stop}
    had = {claim.port for service in before or () if service.name in leaving for claim in service.ports} | set(kept)
    found: list[tuple[PortClaim, Holder]] = []
    for claim in own if steps.start else ():
        if holder := holder_of(claim.port, claim.host):
            found.append((claim, holder))
    for step in steps.start:
        for claim in step.service.ports:
            if claim.port in had or (before is None and step.service.name in leaving):
                continue
            holder = holder_of(claim.port, claim.host)
            if holder and not (step.service.one_shot and is_held_by(root, claim.port)):
                found.append((claim, holder))
    if found:
        raise PreflightError([_words(claim, holder) for claim, holder in found], hint=_hint(found))


def require_hosts(spec: Spec, base: Path) -> None:
    """Raise PreflightError where nodes would not find the other machines of the cluster, or those would not find
    them."""
    require_address(spec)
    require_private(spec, base)
    require_head(spec)


def _words(claim: PortClaim, holder: Holder) -> str:
    return f"port {claim.port} ({claim.purpose}) is in use by {holder}"


def _hint(found: Sequence[tuple[PortClaim, Holder]]) -> str:
    """What frees the ports, and what moves ours: what is written down elsewhere the offset does not move."""
    ways = ["; ".join(dict.fromkeys(holder.hint for _, holder in found))]
    if any(not claim.setting for claim, _ in found):
        ways.append("move this cluster's ports with --port-offset 100 (ports.offset in the spec)")
    settings = dict.fromkeys(claim.setting for claim, _ in found if claim.setting)
    if settings:
        ways.append(f"write another port as {', '.join(settings)}")
    return ", or ".join(ways)
