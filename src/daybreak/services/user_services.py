"""The user's own services beside Ray. Pure."""

from __future__ import annotations

import os.path
from urllib.parse import urlsplit

from daybreak.hosts import is_loopback
from daybreak.names import WORKERS, group_of
from daybreak.services.claims import of_service
from daybreak.services.container_site import program
from daybreak.services.handed import service_variables
from daybreak.services.health import policy
from daybreak.services.ray.environment import client_env, search_paths
from daybreak.services.service import (
    Check,
    CommandCheck,
    Gate,
    HttpCheck,
    Need,
    Restart,
    Run,
    Schedule,
    Service,
    StopPolicy,
    TcpCheck,
    Tier,
)
from daybreak.services.site import Site
from daybreak.spec.groups import by_group, by_name
from daybreak.spec.model import ServiceCheck, Spec, UserService
from daybreak.spec.needs import Needs, steps

SUCCESS_OR_REDIRECT = (200, 399)
# Its exit code that says that asking again is of no use is one of the program's own.
GRPC_PROGRAM, GRPC_NEVER = "programs/node/grpc_health.py", 3


def user_service(spec: Spec, site: Site, name: str, wanted: UserService) -> Service:
    """One of the user's own services: it gets the cluster's address and the databases' URLs in its environment."""
    check = _check(site, wanted.check)
    run = Run.ONCE if name in steps(spec) else Run.TIMED if wanted.schedule else Run.STEADY
    return Service(
        name=name,
        tier=Tier(wanted.tier),
        argv=wanted.command or (),
        cwd=os.path.normpath(os.path.join(site.base, wanted.cwd)),
        env={**client_env(spec, site), **search_paths(site), **service_variables(spec, wanted, site.handed)},
        needs=needs_of(spec, wanted.needs),
        gates=(Gate("ready", check),) if check else (),
        health=policy(spec, check),
        start_timeout_s=wanted.start_timeout,
        stop=StopPolicy(grace_s=wanted.stop_grace),
        restart=Restart(wanted.restart) if run is Run.STEADY else Restart.NEVER,
        run=run,
        schedule=_schedule(wanted),
        ports=of_service(name, wanted),
        urls={name: wanted.check.http} if wanted.check and wanted.check.http else {},
    )


def _schedule(wanted: UserService) -> Schedule | None:
    when = wanted.schedule
    return Schedule(when.cron, when.timezone, when.timeout) if when else None


def _check(site: Site, wanted: ServiceCheck | None) -> Check | None:
    if wanted is None:
        return None
    if wanted.tcp is not None:
        return TcpCheck("127.0.0.1", wanted.tcp)
    if wanted.http is not None:
        own = is_loopback(urlsplit(wanted.http).hostname or "")
        return HttpCheck(wanted.http, accept=SUCCESS_OR_REDIRECT, any_certificate=own)
    if wanted.grpc is not None:
        # Ray's interpreter has grpcio; the service's environment may lead Python elsewhere.
        asked = (wanted.grpc.address, wanted.grpc.service)
        return CommandCheck((site.ray.python, "-I", program(site, GRPC_PROGRAM), *asked), never=GRPC_NEVER)
    return CommandCheck(wanted.command or ())


def needs_of(spec: Spec, needs: Needs) -> tuple[Need, ...]:
    """The services that must be ready, or done, first; `workers` stands for every worker, a group's name for those of
    the group."""
    names: list[str] = []
    for need in needs:
        groups = [need] if need in spec.workers.groups else by_group(spec.workers) if need == WORKERS else []
        names += [n for n in by_name(spec.workers) if group_of(n, groups)] if groups else [need]
    return tuple(map(Need, names))
