"""The user's own services beside Ray. Pure."""

from __future__ import annotations

import os.path
from urllib.parse import urlsplit

from daybreak.services.base import (
    Check,
    CommandCheck,
    Gate,
    HealthPolicy,
    HttpCheck,
    Need,
    PortClaim,
    Restart,
    Service,
    StopPolicy,
    TcpCheck,
    Tier,
)
from daybreak.services.ray import WORKERS, client_env, search_paths, worker_name
from daybreak.services.serving import is_loopback
from daybreak.services.site import Site
from daybreak.spec.model import ServiceCheck, Spec, UserService

SUCCESS_OR_REDIRECT = (200, 399)


def user_service(spec: Spec, site: Site, name: str, wanted: UserService) -> Service:
    """One of the user's own services: it gets the cluster's address and the databases' URLs in its environment."""
    check = _check(wanted.check)
    policy = spec.health
    return Service(
        name=name,
        tier=Tier(wanted.tier),
        argv=wanted.command or (),
        cwd=os.path.normpath(os.path.join(site.base, wanted.cwd)),
        env={**client_env(spec, site), **search_paths(site), **wanted.env},
        needs=tuple(Need(needed) for needed in _expand(spec, wanted.needs)),
        gates=(Gate("ready", check),) if check else (),
        health=HealthPolicy(check, policy.interval, policy.timeout, policy.retries, policy.start_period),
        start_timeout_s=wanted.start_timeout,
        stop=StopPolicy(grace_s=wanted.stop_grace),
        restart=Restart(wanted.restart),
        ports=tuple(PortClaim("127.0.0.1", port, name, f"services.{name}.ports") for port in wanted.ports),
        urls={name: wanted.check.http} if wanted.check and wanted.check.http else {},
    )


def _check(wanted: ServiceCheck | None) -> Check | None:
    if wanted is None:
        return None
    if wanted.tcp is not None:
        return TcpCheck("127.0.0.1", wanted.tcp)
    if wanted.http is not None:
        own = is_loopback(urlsplit(wanted.http).hostname or "")
        return HttpCheck(wanted.http, accept=SUCCESS_OR_REDIRECT, any_certificate=own)
    return CommandCheck(wanted.command or ())


def _expand(spec: Spec, needs: tuple[str, ...]) -> list[str]:
    """`workers` stands for every worker."""
    names: list[str] = []
    for need in needs:
        names += [worker_name(n + 1) for n in range(spec.workers.count)] if need == WORKERS else [need]
    return names
