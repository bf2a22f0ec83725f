"""What a compose file cannot say of a spec, for people. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from daybreak.extras.export.conditions import needs_ray
from daybreak.extras.export.target import Target
from daybreak.spec.model import Spec, UserService
from daybreak.spec.needs import steps

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def left_out(spec: Spec, target: Target) -> Iterator[str]:
    """One line for each thing that was written in the spec, or would surprise."""
    if spec.model_fields_set & {"warm"} and spec.warm.enabled:
        yield "warm: containers start without the template; only daybreak's own clusters fork from it"
    if spec.model_fields_set & {"page"} and spec.page.enabled:
        yield "page: there is no keeper in Compose, so there is neither the page nor daybreak's metrics"
    if "hooks" in spec.model_fields_set:
        yield "hooks: Compose runs nothing before and after its commands; a step can be a service that runs once"
    if spec.databases.postgres and spec.databases.postgres.trust_socket:
        yield "databases.postgres.trust_socket: the server is in a container of its own, and no other sees its socket"
    if spec.tls:
        yield "tls: there is no gateway in Compose, and Serve's port speaks plain HTTP; put a proxy with TLS before it"
    yield from _in_clear(spec)
    if spec.hosts:
        yield f"hosts: Compose runs on one machine, without {_of_hosts(spec)}"
    yield from left_to_the_machine(spec)
    if spec.ports.fixed.enabled:
        yield "ports.fixed: each container has an address of its own, and Ray's ports are the same in all of them"
    if spec.ray.python:
        yield "ray.python: the image's interpreter runs"
    if spec.ray.dashboard_modules == "all" or "dashboard_modules" in spec.ray.model_fields_set:
        yield "ray.dashboard_modules: the dashboard runs all of its modules"
    yield from _version(spec, target)
    for name in spec.serve.needs:
        if needs_ray(spec, name):
            yield f"serve.needs: {name} needs Ray, whose head deploys the applications: they do not wait for it"
    for name, wanted in spec.services.items():
        yield from _service(spec, name, wanted)


def _of_hosts(spec: Spec) -> str:
    workers = sum(host.workers for host in spec.hosts)
    machines = "another machine" if len(spec.hosts) == 1 else f"{len(spec.hosts)} other machines"
    return f"{workers} worker{'s' * (workers != 1)} of {machines}"


def _in_clear(spec: Spec) -> Iterator[str]:
    if spec.ray.tls.enabled:
        yield "ray.tls: nodes talk in clear there; Ray's variables RAY_USE_TLS and RAY_TLS_* turn it on"


def of_several_machines(spec: Spec) -> Iterator[str]:
    """Where nobody says on which machine a node is."""
    yield from _in_clear(spec)
    if spec.hosts:
        yield (
            f"hosts: Kubernetes chooses the machines, so {_of_hosts(spec)} are left out; count them in "
            "`workers.count`, or write a group of `workers.groups` for those with labels or resources of their own"
        )


def left_to_the_machine(spec: Spec) -> Iterator[str]:
    """CPUs that only the machine tells."""
    groups = {f"workers.groups.{name}": group for name, group in spec.workers.groups.items()}
    nodes = {"head": spec.head, "workers": spec.workers, **groups}
    for name, node in nodes.items():
        if isinstance(node.cpus, str):
            yield f"{name}.cpus: {node.cpus}: the machine is not known here, so 1 is written; give a number"


def _version(spec: Spec, target: Target) -> Iterator[str]:
    from packaging.specifiers import SpecifierSet

    if spec.ray.version and not SpecifierSet(spec.ray.version).contains(target.ray.version, prereleases=True):
        yield f"ray.version: {target.image} has Ray {target.ray.version}, the spec asks for {spec.ray.version}"


def _service(spec: Spec, name: str, wanted: UserService) -> Iterator[str]:
    place = f"services.{name}"
    if wanted.schedule:
        yield f"{place}: Compose starts nothing at a time; let the machine's cron run its command in a container"
        return
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
    if wanted.restart == "never" and name not in steps(spec):
        yield f"{place}.restart: if it ends by itself, `docker compose up --wait` takes that for a failure"
    if wanted.check and wanted.check.http and not any(f"//{host}" in wanted.check.http for host in LOOPBACK):
        yield f"{place}.check.http: {wanted.check.http} is asked from inside its container"
    if not spec.ray.client and {"head", "serve", "workers", *spec.workers.groups} & set(wanted.needs):
        yield (
            f"{place}: no Ray node runs in its container, so `ray.init()` does not work there; with "
            "`ray.client: true` it has an address to connect to"
        )
