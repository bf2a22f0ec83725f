"""Ray's nodes in containers: what `services/ray/nodes.py` makes of the inside, and what its container has. Pure.

The first program of a node's container is `programs/node/node.py`. It starts the node's own warm template and
`ray start`, runs further programs on request (the deployment, the user's own services), and ends when the node has
ended.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from daybreak.hosts import reachable
from daybreak.names import HEAD, VERSIONS
from daybreak.services.claims import of_service
from daybreak.services.container_site import (
    address_of,
    engine_of,
    is_secret,
    library,
    program,
    resolved,
    secret_of,
    site_inside,
)
from daybreak.services.databases.connections import holds_addresses
from daybreak.services.handed import SECRETS_INSIDE
from daybreak.services.ray import haproxy, warm
from daybreak.services.ray.addresses import AGENT_HEALTH, DASHBOARD_HEALTH, dashboard_binds, nodes_of, ray_folder
from daybreak.services.ray.cpus import number_of
from daybreak.services.ray.nodes import STOP, head, worker
from daybreak.services.ray.nodes import claims as head_claims
from daybreak.services.ray.serve import claims as serve_claims
from daybreak.services.ray.serve_config import in_own_network, serving
from daybreak.services.service import (
    ConfigFile,
    Container,
    EnvValue,
    Mount,
    MountKind,
    PortClaim,
    Published,
    Secret,
    Service,
    StopPolicy,
)
from daybreak.services.site import Site
from daybreak.spec.groups import each_group
from daybreak.spec.model import Node, Spec, UserService
from daybreak.spec.quantity_types import MIB

NODE_PROGRAM = "programs/node/node.py"
HEALTH_PROGRAM = "programs/recipe/health.py"
PARTS = ("programs",)
# What Ray's own processes of a node take, measured with its template and some room above.
HEAD_OWN_BYTES = 1536 * MIB
WORKER_OWN_BYTES = 768 * MIB
# Ray takes a little less of shared memory than there is.
SHM_MARGIN_BYTES = 64 * MIB
# The share of a machine's memory that Ray itself gives to tasks and actors.
TASKS_SHARE = 0.7
# As long as the node's first program needs at most to end the others, and then itself.
GRACE_S = STOP.grace_s + 5.0


def head_container(spec: Spec, site: Site) -> Service:
    """The head."""
    inner = site_inside(site, HEAD)
    plain = head(_with_memory(spec, site), inner)
    container = _container(spec, site, HEAD, spec.head, HEAD_OWN_BYTES)
    published = tuple(
        Published(claim.host, claim.port, claim.port) for claim in _claims(spec, site) if engine_of(site).network
    )
    if haproxy.wanted(spec, inner):
        place = Mount(MountKind.TMPFS, haproxy.folder(inner), size_bytes=16 * MIB)
        container = replace(container, mounts=(*container.mounts, place))
    made = _contained(spec, site, HEAD, plain, replace(container, published=published))
    return replace(made, ports=tuple(_claims(spec, site)))


def worker_container(spec: Spec, site: Site, name: str) -> Service:
    """The worker node of this name."""
    plain = worker(_with_memory(spec, site), site_inside(site, name), name)
    container = _container(spec, site, name, nodes_of(spec)[name], WORKER_OWN_BYTES)
    if site.ray.takes_socket_names:
        # Such a Ray's workers have the head's folder for temporary files, by its path.
        folder = Mount(MountKind.BIND, ray_folder(site, HEAD), ray_folder(site, name))
        container = replace(container, mounts=(*container.mounts, folder))
    return _contained(spec, site, name, plain, container)


def shm_bytes(node: Node) -> int:
    """A store that fills all of shared memory would make Ray use the disk."""
    return node.object_store + node.object_store // 10 + SHM_MARGIN_BYTES


def memory_bytes(node: Node, own_bytes: int) -> int | None:
    """The limit of a node with an amount of memory; another one would be refused nothing as a process, either."""
    return node.memory + node.object_store + own_bytes if node.memory else None


def socket(site: Site, node: str) -> str:
    """Where a node's first program takes requests; the same path inside and outside."""
    return f"{site.runtime if site.node else site.place(node)}/node.sock"


def services_in_head(spec: Spec) -> dict[str, UserService]:
    """The user's own services that run in the head's container."""
    return {name: service for name, service in spec.services.items() if not is_apart(service)}


def is_apart(service: UserService) -> bool:
    """Has a user's service a container of its own? One that asks for nothing of a container shares the head's, where
    it is a part of Ray's cluster; but not one that is to stay up when the head is replaced."""
    asks = (service.image, service.volumes, service.memory, service.cpus)
    return any(asks) or service.tier == "data"


def _claims(spec: Spec, site: Site) -> list[PortClaim]:
    """Every port at which the head's container is reached."""
    claims = list(head_claims(spec, site, spec.listen))
    if spec.serve.wanted:
        claims += serve_claims(spec, site)
    for name, service in services_in_head(spec).items():
        claims += of_service(name, service)
    return claims


def _with_memory(spec: Spec, site: Site) -> Spec:
    """Nodes that say how much memory they offer: each would claim all of the machine otherwise, as often as there are
    containers. It goes by the processors, so that another number of workers changes nothing for the others."""

    def given(node: Node) -> int:
        share = min(1.0, max(1, math.ceil(number_of(node) or 1)) / site.cpus)
        return node.memory or int(engine_of(site).memory_bytes * TASKS_SHARE * share) // MIB * MIB

    head = spec.head.model_copy(update={"memory": given(spec.head)})
    return spec.model_copy(
        update={"head": head, "workers": each_group(spec.workers, lambda group: {"memory": given(group)})}
    )


def _container(spec: Spec, site: Site, name: str, node: Node, own_bytes: int) -> Container:
    """What head and workers have in common."""
    engine, inner = engine_of(site), site_inside(site, name)
    python = site.ray.python
    folder = ray_folder(site, name)
    mounts = [*library(*PARTS), Mount(MountKind.BIND, folder, folder)]
    if spec.docker.mount_code:
        mounts.append(Mount(MountKind.BIND, engine.code, site.base, read_only=True))
        mounts.append(Mount(MountKind.BIND, f"{inner.root}/{VERSIONS}", f"{site.root}/{VERSIONS}", read_only=True))
    return Container(
        image=engine.image.name,
        network=engine.network,
        address=address_of(site, name) if engine.network else "",
        uid=engine.uid,
        user=engine.user,
        entrypoint=(python, "-IS", program(inner, NODE_PROGRAM)),
        mounts=tuple(mounts),
        shm_bytes=shm_bytes(node),
        memory_bytes=memory_bytes(node, own_bytes),
        cpus=number_of(node) or None,
        gpus=site.gpus.get(name, ()),
        health=(python, "-IS", program(inner, HEALTH_PROGRAM)),
        # The first program hands signals on and collects orphans itself.
        init=False,
    )


def _contained(spec: Spec, site: Site, name: str, plain: Service, container: Container) -> Service:
    """The node's service with its first program, its environment and its secrets."""
    inner = site_inside(site, name)
    engine = engine_of(site)
    env = resolved(plain.env, engine.image.env)
    # Their values are read by the node's first program: every program that it starts gets them.
    files = {key: value.path for key, value in env.items() if isinstance(value, Secret)}
    shown: dict[str, EnvValue] = {key: value for key, value in env.items() if key not in files}
    shown |= {"DAYBREAK_HEALTH_URLS": _health_urls(spec, inner, name), "DAYBREAK_IMAGE": engine.image.id}
    if engine.user:
        # This number has no entry, and so no home, in the image.
        shown |= {"HOME": f"{inner.runtime}/home", "USER": "ray", "LOGNAME": "ray"}
    request = ConfigFile(f"{inner.root}/node.json", json.dumps(_job(spec, inner, plain, files), indent=1), 0o644)
    template = warm.template(spec, inner) if spec.warm.enabled else None
    written = (request, *plain.files, *(template.files if template else ()))
    secrets = _secrets(site, plain.env)
    return replace(
        plain,
        argv=(request.path,),
        env=shown,
        needs=tuple(need for need in plain.needs if need.service != warm.WARM),
        stop=StopPolicy(grace_s=GRACE_S, main_only=True, left_behind_grace_s=STOP.left_behind_grace_s),
        # It ends with the processes that it cannot do without.
        vital=(),
        files=tuple(replace(file, mode=0o755 if file.mode & 0o100 else 0o644) for file in written),
        # What the user's own services in the head's container read as files is put there when each of them starts.
        folders=(SECRETS_INSIDE,) if name == HEAD else (),
        discard=(),
        container=replace(container, secrets=secrets),
    )


def _job(spec: Spec, inner: Site, plain: Service, secrets: Mapping[str, str]) -> dict[str, Any]:
    """What the first program is told. `ray start` does not wait for the template: the real interpreter runs it."""
    start = list(plain.argv)
    template = None
    if spec.warm.enabled:
        start[0] = inner.ray.python
        template = list(warm.template(spec, inner).argv)
    folders = [*plain.folders, f"{inner.runtime}/home", *([warm.folder(inner)] if template else [])]
    return {
        "template": template,
        "door": f"{warm.folder(inner)}/template.socket" if template else None,
        "launcher": warm.launcher(inner),
        "start": start,
        "vital": list(plain.vital),
        "afterwards": list(plain.stop.afterwards),
        "grace_s": plain.stop.grace_s,
        "socket": socket(inner, inner.node),
        "secrets": dict(secrets),
        "folders": folders,
        "discard": list(plain.discard),
    }


def _secrets(site: Site, env: Mapping[str, EnvValue]) -> dict[str, Secret]:
    """Every file of a secret that a variable holds or names, by its path inside."""
    paths = [value.path if isinstance(value, Secret) else value for value in env.values()]
    found = [path for path in paths if isinstance(path, str) and is_secret(site, path)]
    return {path: secret_of(site, path, holds_addresses) for path in found}


def _health_urls(spec: Spec, inner: Site, name: str) -> str:
    """What health.py asks: the first that answers counts."""
    agent = f"{inner.node_ip}:{inner.ports[f'{name}.agent_http']}{AGENT_HEALTH}"
    if name != HEAD:
        return agent
    door = serving(spec, inner)
    scheme = "https://" if door.own_tls else ""

    def at(bound: tuple[str, int]) -> str:
        return f"{inner.node_ip if in_own_network(inner) else reachable(bound[0])}:{bound[1]}"

    urls = [f"{scheme}{at(door.binds)}/-/healthz"] if spec.serve.wanted and door.http else []
    return " ".join([*urls, at(dashboard_binds(spec, inner)) + DASHBOARD_HEALTH if spec.dashboard else agent])
