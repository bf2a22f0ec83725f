"""The user's own services, in containers of the application's image. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any

from daybreak.extras.export import environment, handed
from daybreak.extras.export.conditions import conditions
from daybreak.extras.export.nodes import account, command, image
from daybreak.extras.export.parts import Part, common, duration, healthcheck, limits, needs, published
from daybreak.extras.export.target import APPLICATION, CLIENT_PORT, CONFIG, PYTHON, Target, site_inside, spec_inside
from daybreak.services.ray.environment import JOBS
from daybreak.services.user_services import user_service
from daybreak.spec.model import Spec, UserService
from daybreak.spec.needs import steps

RESTART = {"always": "unless-stopped", "on-failure": "on-failure", "never": "no"}

PROBE = f"{CONFIG}/programs/recipe/health.py"


def service(spec: Spec, target: Target, name: str, wanted: UserService, tiers: Mapping[str, str]) -> Part:
    """One of them, by its name in the spec; `tiers` has the tier of every service of the file."""
    once = name in steps(spec)
    found = {
        **({"image": wanted.image} if wanted.image else {**image(target), **account(target)}),
        "command": command(*wanted.command) if wanted.command else [],
        "working_dir": _folder(wanted),
        "environment": environment_of(spec, target, name, wanted),
        **handed.body(spec, target, environment.secrets_read(spec, target), wanted.secrets, wanted.env_file),
        "volumes": [f"./config:{CONFIG}:ro", *(_volume(target, volume) for volume in wanted.volumes)],
        "healthcheck": {"disable": True} if once and not wanted.image else _health(spec, target, wanted),
        "depends_on": needs(conditions(spec, wanted.needs), tier=wanted.tier, tiers=tiers),
        "ports": [published("127.0.0.1", port, port) for port in wanted.ports],
        "stop_grace_period": duration(wanted.stop_grace),
        **limits(wanted.memory, wanted.cpus),
        **common(spec, wanted.tier, "no" if once else RESTART[wanted.restart]),
    }
    return Part(name, "", {key: value for key, value in found.items() if value not in ([], {}, "")})


def _folder(wanted: UserService) -> str:
    """An image of the user's own keeps its folder, unless the spec names another."""
    if wanted.image and wanted.cwd == ".":
        return ""
    return posixpath.normpath(posixpath.join(APPLICATION, wanted.cwd))


def _volume(target: Target, volume: str) -> str:
    """Folders are relative to the spec's, which need not be that of the compose file."""
    source, rest = volume.split(":", 1)
    if not source.startswith("."):
        return volume
    return f"{posixpath.normpath(posixpath.join(target.base, source))}:{rest}"


def environment_of(spec: Spec, target: Target, name: str, wanted: UserService) -> dict[str, str]:
    """The cluster's address is Ray's client server, where there is one: no node runs here to connect through."""
    made = user_service(spec_inside(spec), site_inside(spec, target), name, wanted)
    found = environment.plain(made.env) | environment.connections(spec, target)
    if "RAY_ADDRESS" not in wanted.env:
        del found["RAY_ADDRESS"]
        if spec.ray.client:
            found["RAY_ADDRESS"] = f"ray://{target.head}:{CLIENT_PORT}"
    if spec.dashboard:
        found |= dict.fromkeys(JOBS, f"http://{target.head}:{spec.port('dashboard')}")
    return found | dict(wanted.env) | handed.variables(wanted.secrets)


def _health(spec: Spec, target: Target, wanted: UserService) -> dict[str, Any]:
    """The image's own check is about Ray, and `up --wait` fails for what has none: without one, running is enough.

    An image of the user's keeps its own.
    """
    check = wanted.check
    if wanted.image and (check is None or not check.command):
        return {}
    if check is None:
        return healthcheck(spec.health, ["CMD", "true"], start_interval=target.start_interval)
    if check.tcp is not None:
        test = [*PYTHON, PROBE, f"tcp://127.0.0.1:{check.tcp}"]
    elif check.http is not None:
        test = [*PYTHON, PROBE, check.http]
    elif check.grpc is not None:
        test = [PYTHON[0], "-I", f"{CONFIG}/programs/node/grpc_health.py", check.grpc.address, check.grpc.service]
    else:
        test = command(*(check.command or ()))
    return healthcheck(spec.health, ["CMD", *test], start_interval=target.start_interval)
