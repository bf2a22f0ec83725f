"""What a compose file cannot say of a spec, for people. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from daybreak.extras.export.target import Target
from daybreak.spec.model import Spec, UserService

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def left_out(spec: Spec, target: Target) -> Iterator[str]:
    """One line for each thing that was written in the spec, or would surprise."""
    if spec.model_fields_set & {"warm"} and spec.warm.enabled:
        yield "warm: containers start without the template; only daybreak's own clusters fork from it"
    if spec.model_fields_set & {"page"} and spec.page.enabled:
        yield "page: there is no keeper in Compose, so there is neither the page nor daybreak's metrics"
    if spec.tls:
        yield "tls: there is no gateway in Compose, and Serve's port speaks plain HTTP; put a proxy with TLS before it"
    if spec.ray.python:
        yield "ray.python: the image's interpreter runs"
    if spec.ray.dashboard_modules == "all" or "dashboard_modules" in spec.ray.model_fields_set:
        yield "ray.dashboard_modules: the dashboard runs all of its modules"
    yield from _version(spec, target)
    for name, wanted in spec.services.items():
        yield from _service(spec, name, wanted)


def _version(spec: Spec, target: Target) -> Iterator[str]:
    from packaging.specifiers import SpecifierSet

    if spec.ray.version and not SpecifierSet(spec.ray.version).contains(target.ray.version, prereleases=True):
        yield f"ray.version: {target.image} has Ray {target.ray.version}, the spec asks for {spec.ray.version}"


def _service(spec: Spec, name: str, wanted: UserService) -> Iterator[str]:
    place = f"services.{name}"
    folder = posixpath.normpath(wanted.cwd)
    if folder.startswith(("..", "/")):
        yield f"{place}.cwd: {wanted.cwd} is not in the image, which has the spec's folder as /app"
    if wanted.image and wanted.check and not wanted.check.command:
        yield f"{place}.check: {wanted.image} may have no program that asks; give a check.command that it has"
    if wanted.image and not wanted.command:
        yield f"{place}: without a command, only DATABASE_URL_FILE and REDIS_URL_FILE are set, which name files"
    if wanted.ports and any(word in part for part in wanted.command or () for word in LOOPBACK):
        yield f"{place}.command: it seems to listen on loopback alone; a published port needs 0.0.0.0 in its container"
    if wanted.tier == "data" and not wanted.volumes:
        yield f"{place}: what it writes is lost with its container; give it one: services.{name}.volumes"
    if wanted.restart == "never":
        yield f"{place}.restart: if it ends by itself, `docker compose up --wait` takes that for a failure"
    if wanted.check and wanted.check.http and not any(f"//{host}" in wanted.check.http for host in LOOPBACK):
        yield f"{place}.check.http: {wanted.check.http} is asked from inside its container"
    if not spec.ray.client_server and {"head", "serve", "workers"} & set(wanted.needs):
        yield (
            f"{place}: no Ray node runs in its container, so `ray.init()` does not work there; with "
            "`ray.client_server: true` it has an address to connect to"
        )
