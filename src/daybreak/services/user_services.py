"""The user's own services beside Ray. Pure."""

from __future__ import annotations

import os.path
from urllib.parse import urlsplit

from daybreak.hosts import is_loopback
from daybreak.names import WORKERS
from daybreak.services.claims import of_service
from daybreak.services.health import policy
from daybreak.services.ray.addresses import worker_name
from daybreak.services.ray.environment import client_env, search_paths
from daybreak.services.service import (
    Check,
    CommandCheck,
    Gate,
    HttpCheck,
    Need,
    Restart,
    Service,
    StopPolicy,
    TcpCheck,
    Tier,
)
from daybreak.services.site import Site
from daybreak.spec.model import ServiceCheck, Spec, UserService

SUCCESS_OR_REDIRECT = (200, 399)


def user_service(spec: Spec, site: Site, name: str, wanted: UserService) -> Service:
    """One of the user's own services: it gets the cluster's address and the databases' URLs in its environment."""
    check = _check(wanted.check)
    return Service(
        name=name,
        tier=Tier(wanted.tier),
        argv=wanted.command or (),
        cwd=os.path.normpath(os.path.join(site.base, wanted.cwd)),
        env={**client_env(spec, site), **search_paths(site), **wanted.env},
        needs=tuple(Need(needed) for needed in _expand(spec, wanted.needs)),
        gates=(Gate("ready", check),) if check else (),
        health=policy(spec, check),
        start_timeout_s=wanted.start_timeout,
        stop=StopPolicy(grace_s=wanted.stop_grace),
        restart=Restart(wanted.restart),
        ports=of_service(name, wanted),
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
