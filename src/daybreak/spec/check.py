"""What is wrong with a spec although each of its values is valid: names, ports, files and circles."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from daybreak.errors import Problem, SpecError
from daybreak.names import DATABASES
from daybreak.spec import serve_config, suggest
from daybreak.spec.certificate import read_pair
from daybreak.spec.document import Document, KeyPath, dotted, label_of, parse_document, read_text
from daybreak.spec.model import Node, Server, Spec
from daybreak.spec.wording import Finding

# Those that daybreak can start as processes, too.
AS_PROCESSES = ("postgres", "redis")
RESERVED = frozenset(
    ["head", "workers", "serve", *DATABASES, "gateway", "prometheus", "grafana", "keeper", "stopped"],
)
TO_CONTAINERS = "write backend: docker, or start with `daybreak up --backend docker`"

HIGHEST_PORT = 65535

_WORKER = re.compile(r"worker-\d+")

# Ray's own resources, and the keys that set them here.
_RAY_RESOURCES = {"CPU": "cpus", "GPU": "gpus", "memory": "memory", "object_store_memory": "object_store"}


def check(spec: Spec, base: Path, unsure: Collection[KeyPath] = ()) -> list[Finding]:
    """Everything wrong with `spec`, whose relative paths count from the folder `base`. Reads files, changes nothing.

    `unsure` names places whose real content is unknown because it was not valid: nothing is concluded from them.
    """
    return [
        *_ray_version(spec),
        *_resources(spec),
        *_serve_config(spec, base),
        *_tls(spec, base, unsure),
        *_service_names(spec),
        *_service_commands(spec, unsure),
        *_service_folders(spec, base),
        *_without_containers(spec),
        *_needs(spec, unsure),
        *_circles(spec),
        *_ports(spec, base, unsure),
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


def _resources(spec: Spec) -> Iterator[Finding]:
    nodes: dict[str, Node] = {"head": spec.head, "workers": spec.workers}
    for place, node in nodes.items():
        for name, amount in node.resources.items():
            if name in _RAY_RESOURCES:
                hint = f"write {place}: {{{_RAY_RESOURCES[name]}: ...}}"
                yield Finding((place, "resources", name), "is not a custom resource", hint, at_key=True)
            elif not amount.is_integer():
                hint = "tasks may ask for parts of it"
                yield Finding((place, "resources", name), f"Ray nodes have whole amounts only, not {amount:g}", hint)


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
    if not spec.gateway.enabled and not _touched(("gateway",), unsure):
        yield Finding(
            ("tls",), "needs the gateway, which `gateway: false` turns off", "remove one of the two", at_key=True
        )
    elif not spec.serve.wanted and not _touched(("serve",), unsure):
        yield Finding(("tls",), "needs Serve applications: the gateway stands in front of them", at_key=True)
    if not any(_touched(("tls", key), unsure) for key in ("certificate", "key")):
        _, troubles = read_pair(base / spec.tls.certificate, base / spec.tls.key)
        for trouble in troubles:
            yield Finding(("tls", trouble.which), trouble.message, trouble.hint)


def _document(config: str, base: Path) -> Document:
    """The Serve config's file. Raises SpecError where it is none."""
    file = base / config
    return parse_document(read_text(file), label_of(file))


def _service_names(spec: Spec) -> Iterator[Finding]:
    for name in spec.services:
        if name in RESERVED or _WORKER.fullmatch(name):
            yield Finding(
                ("services", name),
                "is the name of something that daybreak starts itself",
                "choose another name",
                at_key=True,
            )


def _service_commands(spec: Spec, unsure: Collection[KeyPath]) -> Iterator[Finding]:
    for name, service in spec.services.items():
        paths: list[KeyPath] = [("services", name, key) for key in ("command", "image")]
        if service.command is None and service.image is None and not any(_touched(path, unsure) for path in paths):
            yield Finding(paths[0], "is required", at_key=True)


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


def _needs(spec: Spec, unsure: Collection[KeyPath]) -> Iterator[Finding]:
    missing = _missing(spec, unsure)
    own = [name for name in ("head", "workers", "serve", *DATABASES) if name not in missing]
    broken = [str(path[1]) for path in unsure if path[0] == "services" and path[1:]]
    known = list(dict.fromkeys([*own, *spec.services, *sorted(broken)]))
    for name, service in spec.services.items():
        for index, need in enumerate(service.needs):
            path = ("services", name, "needs", index)
            if need in missing and need not in known:
                yield Finding(path, *missing[need])
            elif need not in known:
                yield Finding(path, f"no service is called '{need}'", suggest.for_name(need, known, missing))


def _missing(spec: Spec, unsure: Collection[KeyPath]) -> dict[str, tuple[str, str]]:
    """What daybreak could start but this spec does not ask for: name to message and hint."""
    missing = {}
    applications_unsure = _touched(("serve", "applications"), unsure) or _touched(("serve", "config"), unsure)
    if not spec.serve.wanted and not applications_unsure:
        missing["serve"] = ("there are no Serve applications", "write serve: {applications: [{import: app:main}]}")
    for name in DATABASES:
        if getattr(spec.databases, name) is None and not _touched(("databases", name), unsure):
            missing[name] = (f"there is no {name}", f"write databases: {{{name}: {{}}}}")
    return missing


def _circles(spec: Spec) -> Iterator[Finding]:
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        if name in trail:
            yield (*trail[trail.index(name) :], name)
        elif name in spec.services and name not in done:
            for need in spec.services[name].needs:
                yield from visit(need, (*trail, name))
            done.add(name)

    for start in spec.services:
        for circle in visit(start, ()):
            words = "needs itself" if len(circle) == 2 else f"needs go round in a circle: {' -> '.join(circle)}"
            yield Finding(("services", circle[0], "needs"), words)


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
        if _touched(claim.path, unsure):
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
    public = {"serve": serve, "dashboard": spec.dashboard, "gcs": True, "page": spec.page.enabled}
    public |= {"client": spec.ray.client_server}
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


def _touched(path: KeyPath, unsure: Collection[KeyPath]) -> bool:
    """Whether the place itself, or one around it, is unsure."""
    return any(path[: len(place)] == place for place in unsure)
