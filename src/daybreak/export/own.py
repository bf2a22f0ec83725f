"""The user's own services, in containers of the application's image. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any

from daybreak.export import environment
from daybreak.export.nodes import WORKER, account, command, image
from daybreak.export.parts import Part, common, duration, healthcheck, needs, published
from daybreak.export.target import APPLICATION, CLIENT_PORT, CONFIG, PYTHON, Target, inside, place
from daybreak.services.ray import HEAD, SERVE, WORKERS
from daybreak.services.user import user_service
from daybreak.spec.model import ServiceCheck, Spec, UserService

RESTART = {"always": "unless-stopped", "on-failure": "on-failure", "never": "no"}


def service(spec: Spec, target: Target, name: str, wanted: UserService, tiers: Mapping[str, str]) -> Part:
    """One of them, by its name in the spec; `tiers` has the tier of every service of the file."""
    found = {
        **image(target),
        **account(target),
        "command": command(*wanted.command),
        "working_dir": posixpath.normpath(posixpath.join(APPLICATION, wanted.cwd)),
        "environment": environment_of(spec, target, name, wanted),
        **environment.mounted(environment.secrets_read(spec, place(spec, target))),
        "volumes": [f"./config:{CONFIG}:ro"],
        "healthcheck": _health(spec, target, wanted.check),
        "depends_on": needs(conditions(spec, wanted.needs), tier=wanted.tier, tiers=tiers),
        "ports": [published("127.0.0.1", port, port) for port in wanted.ports],
        "stop_grace_period": duration(wanted.stop_grace),
        **common(spec, wanted.tier, RESTART[wanted.restart]),
    }
    return Part(name, "", {key: value for key, value in found.items() if value not in ([], {})})


def environment_of(spec: Spec, target: Target, name: str, wanted: UserService) -> dict[str, str]:
    """The cluster's address is Ray's client server, where there is one: no node runs here to connect through."""
    made = user_service(inside(spec), place(spec, target), name, wanted)
    found = environment.plain(spec, made.env)
    if "RAY_ADDRESS" not in wanted.env:
        del found["RAY_ADDRESS"]
        if spec.ray.client_server:
            found["RAY_ADDRESS"] = f"ray://{HEAD}:{CLIENT_PORT}"
    if spec.dashboard and "RAY_API_SERVER_ADDRESS" not in wanted.env:
        found["RAY_API_SERVER_ADDRESS"] = f"http://{HEAD}:{spec.port('dashboard')}"
    return found | dict(wanted.env)


def conditions(spec: Spec, needed: tuple[str, ...]) -> dict[str, str]:
    """What must hold of which service of the file; a service without a check only has to run."""
    found: dict[str, str] = {}
    for name in needed:
        own = spec.services.get(name)
        where = HEAD if name == SERVE else WORKER if name == WORKERS or name.startswith("worker-") else name
        found[name if own else where] = "service_started" if own and not own.check else "service_healthy"
    return found


def _health(spec: Spec, target: Target, check: ServiceCheck | None) -> dict[str, Any]:
    """The image's own check is about Ray, and `up --wait` fails for what has none: without one, running is enough."""
    if check is None:
        return healthcheck(spec.health, ["CMD", "true"], start_interval=target.start_interval)
    if check.tcp is not None:
        test = [*PYTHON, f"{CONFIG}/probe.py", "tcp", str(check.tcp)]
    elif check.http is not None:
        test = [*PYTHON, f"{CONFIG}/probe.py", "http", check.http]
    else:
        test = command(*(check.command or ()))
    return healthcheck(spec.health, ["CMD", *test], start_interval=target.start_interval)
