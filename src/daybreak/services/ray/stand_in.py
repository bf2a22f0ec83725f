"""What runs in the head's container beside Ray, as processes of this machine that stand in for it. Pure.

A driver of Ray needs a node on its machine, so the deployment and the user's own services are programs in the head's
container. Each has a small process here, `programs/node/stand_in.py`, which has it started, hands signals on and ends
as it ends: for everything else it is a service like any other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from daybreak.names import HEAD
from daybreak.services.container_site import PACKAGE, address_of, engine_of, resolved, site_inside
from daybreak.services.ray.containers import socket
from daybreak.services.ray.serve import serve
from daybreak.services.service import STARTED, Check, CommandCheck, EnvValue, Gate, Need, Secret, Service, TcpCheck
from daybreak.services.site import Site
from daybreak.services.user_services import user_service
from daybreak.spec.model import Spec, UserService

CLIENT = PACKAGE / "programs" / "node" / "stand_in.py"
# What `programs/node/stand_in.py` takes off again.
PREFIX = "WITHIN_"
# What it puts there before the program runs: paths inside, each with the file here that it is read from.
FILES = "DAYBREAK_FILES"
HEADS = Need(HEAD, STARTED, bind=True)


def command(site: Site, argv: tuple[str, ...], cwd: str) -> tuple[str, ...]:
    """The command of this machine that runs another one in the head's container, and ends as that one ends."""
    request = json.dumps({"argv": argv, "cwd": cwd}, sort_keys=True)
    return (engine_of(site).python, "-IS", str(CLIENT), socket(site, HEAD), request)


def carried(site: Site, env: Mapping[str, EnvValue]) -> dict[str, EnvValue]:
    """The program's environment, as the stand-in has it. Variables that hold secrets are those of the head, but for
    those that it is handed itself."""
    given = resolved(env, engine_of(site).image.env)
    found: dict[str, EnvValue] = {}
    for name, value in given.items():
        if isinstance(value, str):
            found[f"{PREFIX}{name}"] = value
        elif isinstance(value, Secret) and (path := site.handed.outside(value.path)):
            found[f"{PREFIX}{name}"] = Secret(path)
    return found


def serve_within(spec: Spec, site: Site) -> Service:
    """The deployment."""
    return _stand_in(serve(spec, site_inside(site, HEAD)), site, ports=False)


def user_within(spec: Spec, site: Site, name: str, wanted: UserService) -> Service:
    """One of the user's own services. It listens on the container's address, where its ports are published."""
    made = _stand_in(user_service(spec, site_inside(site, HEAD), name, wanted), site, ports=True)
    return replace(made, env={**made.env, **_files(site, wanted)})


def _files(site: Site, wanted: UserService) -> dict[str, EnvValue]:
    """The secrets that it reads as files, by their paths inside, with where each value lies here. The head's container
    goes on where one of them changes: its user alone is replaced."""
    paths = [site.handed.within().as_file(use.name) for use in wanted.secrets if not use.env]
    places = {path: site.handed.outside(path) for path in sorted(paths)}
    return {FILES: json.dumps(places)} if places else {}


def _stand_in(plain: Service, site: Site, *, ports: bool) -> Service:
    """The service whose process here stands in for one in the head's container. The head claims its ports."""

    def seen(check: Check) -> Check:
        if isinstance(check, CommandCheck):
            return CommandCheck(command(site, check.argv, plain.cwd), check.never)
        if isinstance(check, TcpCheck) and ports and engine_of(site).network:
            return TcpCheck(address_of(site, HEAD), check.port)
        return check

    health = plain.health
    others = tuple(need for need in plain.needs if need.service not in (HEAD, "warm"))
    own = next((need for need in plain.needs if need.service == HEAD and need.gate is None), None)
    return replace(
        plain,
        argv=command(site, plain.argv, plain.cwd),
        cwd=site.root,
        env=carried(site, plain.env),
        needs=(HEADS, *others, *((own,) if own else ())),
        gates=tuple(Gate(gate.name, seen(gate.check)) for gate in plain.gates),
        health=replace(health, check=seen(health.check)) if health.check else health,
        # The container's account is another one, in a folder that only this one can enter.
        files=tuple(replace(file, mode=0o644) for file in plain.files),
        ports=(),
    )
