"""What is wrong with a spec although each of its values is valid: names, ports, files and circles."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from daybreak.errors import Problem, SpecError
from daybreak.hosts import is_loopback
from daybreak.names import DATABASES, ONLY, group_of
from daybreak.spec import check_needs, serve_config
from daybreak.spec.certificate import read_pair
from daybreak.spec.check_databases import databases
from daybreak.spec.check_hosts import hosts
from daybreak.spec.databases import Server
from daybreak.spec.document import Document, KeyPath, dotted, label_of, parse_document, read_text, touched
from daybreak.spec.handing import check_handing
from daybreak.spec.model import Spec
from daybreak.spec.node_checks import HIGHEST_PORT, RESERVED, fixed_ports, groups, resources
from daybreak.spec.webhook import read_url
from daybreak.spec.wording import Finding

# Those that daybreak can start as processes, too.
AS_PROCESSES = ("postgres", "redis")
TO_CONTAINERS = "write backend: docker, or start with `daybreak up --backend docker`"


def check(spec: Spec, base: Path, unsure: Collection[KeyPath] = ()) -> list[Finding]:
    """Everything wrong with `spec`, whose relative paths count from the folder `base`. Reads files, changes nothing.

    `unsure` names places whose real content is unknown because it was not valid: nothing is concluded from them.
    """
    return [
        *_ray_version(spec),
        *_ray_auth(spec),
        *hosts(spec),
        *resources(spec),
        *groups(spec),
        *_serve_config(spec, base),
        *_tls(spec, base, unsure),
        *_alerts(spec, base, unsure),
        *_service_names(spec),
        *_service_commands(spec, unsure),
        *_service_folders(spec, base),
        *_service_checks(spec),
        *_without_containers(spec),
        *databases(spec, base, unsure),
        *check_needs.needs(spec, unsure),
        *check_needs.steps_run_once(spec, unsure),
        *check_needs.scheduled(spec, unsure),
        *check_needs.circles(spec),
        *_ports(spec, base, unsure),
        *check_handing(spec),
    ]


def _ray_version(spec: Spec) -> Iterator[Finding]:
    wanted = spec.ray.version
    if wanted is None:
        return
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        SpecifierSet(wanted)
    except InvalidSpecifier:
        bare = re.fullmatch(r"\d+(\.\d+)*", wanted.strip())
        hint = f"write '=={wanted.strip()}'" if bare else "write '>=2.20,<3' or '==2.60.0', for example"
        yield Finding(("ray", "version"), f"'{wanted}' is not a version specifier", hint)


def _ray_auth(spec: Spec) -> Iterator[Finding]:
    if not spec.ray.auth and not is_loopback(spec.listen):
        why = f"must not be false where listen is {spec.listen}: whoever reaches that address would run code here"
        yield Finding(("ray", "auth"), why, "remove it, or write listen: 127.0.0.1")


def _serve_config(spec: Spec, base: Path) -> Iterator[Finding]:
    if spec.serve.config is None:
        return
    if not spec.dashboard:
        yield Finding(("dashboard",), "must be true for serve.config, which goes through its REST API", "remove it")
    try:
        found: Sequence[Problem] = serve_config.problems(_document(spec.serve.config, base))
    except SpecError as error:
        found = error.problems
    for problem in found:
        place = problem.file + (f":{problem.line}" if problem.line else "")
        words = ": ".join(part for part in (place, problem.key, problem.message) if part)
        yield Finding(("serve", "config"), words, problem.hint)


def _tls(spec: Spec, base: Path, unsure: Collection[KeyPath]) -> Iterator[Finding]:
    if spec.tls is None:
        return
    if not spec.gateway.enabled and not touched(("gateway",), unsure):
        yield Finding(
            ("tls",), "needs the gateway, which `gateway: false` turns off", "remove one of the two", at_key=True
        )
    elif not spec.serve.wanted and not touched(("serve",), unsure):
        yield Finding(("tls",), "needs Serve applications: the gateway stands in front of them", at_key=True)
    if not any(touched(("tls", key), unsure) for key in ("certificate", "key")):
        _, troubles = read_pair(base / spec.tls.certificate, base / spec.tls.key)
        for trouble in troubles:
            yield Finding(("tls", trouble.which), trouble.message, trouble.hint)


def _alerts(spec: Spec, base: Path, unsure: Collection[KeyPath]) -> Iterator[Finding]:
    path = ("alerts", "webhook_file")
    if spec.alerts.webhook_file is None or touched(path, unsure):
        return
    try:
        read_url(base / spec.alerts.webhook_file)
    except OSError as error:
        yield Finding(path, f"{base / spec.alerts.webhook_file} cannot be read: {error.strerror or error}")
    except ValueError as error:
        yield Finding(path, str(error))


def _document(config: str, base: Path) -> Document:
    """The Serve config's file. Raises SpecError where it is none."""
    file = base / config
    return parse_document(read_text(file), label_of(file))


def _service_names(spec: Spec) -> Iterator[Finding]:
    for name in spec.services:
        if name in RESERVED or name in spec.workers.groups or group_of(name, {*spec.workers.groups, ONLY}):
            yield Finding(
                ("services", name),
                "is the name of something that daybreak starts itself",
                "choose another name",
                at_key=True,
            )


def _service_commands(spec: Spec, unsure: Collection[KeyPath]) -> Iterator[Finding]:
    for name, service in spec.services.items():
        paths: list[KeyPath] = [("services", name, key) for key in ("command", "image")]
        if service.command is None and service.image is None and not any(touched(path, unsure) for path in paths):
            yield Finding(paths[0], "is required", at_key=True)


def _service_checks(spec: Spec) -> Iterator[Finding]:
    for name, service in spec.services.items():
        if service.image and service.check and service.check.grpc:
            hint = "use check.tcp, or check.command with a program that the image has, such as grpc_health_probe"
            message = "needs Ray's Python, which a container of another image has not"
            yield Finding(("services", name, "check", "grpc"), message, hint, at_key=True)


def _service_folders(spec: Spec, base: Path) -> Iterator[Finding]:
    for name, service in spec.services.items():
        folder = base / service.cwd
        # A working folder of an image's own is nowhere on this machine.
        if not service.image and not folder.is_dir():
            yield Finding(("services", name, "cwd"), f"no such folder: {folder}")
        for index, volume in enumerate(service.volumes):
            source = volume.partition(":")[0]
            if source.startswith((".", "/")) and not (base / source).exists():
                yield Finding(("services", name, "volumes", index), f"no such folder: {base / source}")


def _without_containers(spec: Spec) -> Iterator[Finding]:
    """What the spec asks for that only containers have."""
    if spec.in_containers:
        return
    for name in DATABASES:
        if name not in AS_PROCESSES and getattr(spec.databases, name):
            message = "needs containers: daybreak starts no such server as a process"
            yield Finding(("databases", name), message, TO_CONTAINERS, at_key=True)
    for name, service in spec.services.items():
        for key in ("image", "volumes"):
            if getattr(service, key):
                message = "needs containers: with backend: process there are none"
                yield Finding(("services", name, key), message, TO_CONTAINERS, at_key=True)


@dataclass(frozen=True)
class _Claim:
    path: KeyPath
    number: int
    offset: int = 0
    key: str = ""

    @property
    def label(self) -> str:
        return self.key or dotted(self.path) + (f" + ports.offset {self.offset}" if self.offset else "")


def _ports(spec: Spec, base: Path, unsure: Collection[KeyPath]) -> Iterator[Finding]:
    taken: dict[int, _Claim] = {}
    for claim in (*_claims(spec, base), *_watching(spec)):
        if touched(claim.path, unsure):
            continue
        number = claim.number + claim.offset
        if number > HIGHEST_PORT:
            yield Finding(("ports", "offset"), f"{claim.label} is {number}; ports end at {HIGHEST_PORT}")
        elif number in taken:
            message = f"port {number} is already taken by {taken[number].label}"
            if claim.key:
                message = f"{claim.key}: {message}"
            yield Finding(claim.path, message, "choose another port")
        else:
            taken[number] = claim
    yield from fixed_ports(spec, {number: claim.label for number, claim in taken.items()})


def promised(spec: Spec) -> dict[int, str]:
    """The ports that are not for Prometheus and Grafana, with the keys that ask for them."""
    return {claim.number + claim.offset: claim.label for claim in _claims(spec, None)}


def _watching(spec: Spec) -> Iterator[_Claim]:
    """The ports of Prometheus and Grafana where one is written down: by default the two give way to the others."""
    written = "ports" in spec.model_fields_set and spec.ports.model_fields_set & {"prometheus", "grafana"}
    if not (written and spec.prometheus.enabled and spec.page.enabled):
        return
    # The message is about the second of two: that which was written.
    for name in sorted(("prometheus", "grafana"), key=lambda name: name in written):
        if name in written or name == "prometheus" or spec.grafana.enabled:
            yield _Claim(("ports", name), getattr(spec.ports, name), spec.ports.offset)


def _claims(spec: Spec, base: Path | None) -> Iterator[_Claim]:
    """Every port that will be listened on, the ones that are chosen freely left out. Without the folder `base` a Serve
    config is not looked into."""
    own = _ports_of_config(spec, base) if base else {}
    for path, number in own.items():
        yield _Claim(("serve", "config"), number, key=f"{dotted(path)} of {spec.serve.config}")
    serve = spec.serve.wanted and serve_config.HTTP_PORT not in own
    public = {"serve": serve, "dashboard": spec.dashboard, "gcs": spec.join is None, "page": spec.page.enabled}
    public |= {"client": spec.ray.client}
    for name, wanted in public.items():
        if wanted:
            yield _Claim(("ports", name), getattr(spec.ports, name), spec.ports.offset)
    for name in DATABASES:
        database: Server | None = getattr(spec.databases, name)
        if database and database.port:
            yield _Claim(("databases", name, "port"), database.port)
    for name, service in spec.services.items():
        for index, port in enumerate(service.ports):
            yield _Claim(("services", name, "ports", index), port)


def _ports_of_config(spec: Spec, base: Path) -> dict[KeyPath, int]:
    """The ports that a Serve config has for itself; none of a file that is told to be wrong elsewhere."""
    if spec.serve.config is None:
        return {}
    try:
        return serve_config.ports(_document(spec.serve.config, base).data)
    except SpecError:
        return {}
