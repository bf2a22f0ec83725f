"""The head, which also deploys the Serve applications, and the workers. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from daybreak.docker.labels import HEALTH_FILE as HEALTH
from daybreak.extras.export import environment, handed
from daybreak.extras.export.files import File
from daybreak.extras.export.parts import Part, common, healthcheck, limits, needs, published, size
from daybreak.extras.export.target import CLIENT_PORT, CONFIG, PYTHON, Target, site_inside, spec_inside
from daybreak.names import HEAD, ONLY
from daybreak.services.container_site import PACKAGE
from daybreak.services.ray import addresses, haproxy, nodes, profile
from daybreak.services.ray.addresses import AGENT_HEALTH
from daybreak.services.ray.containers import HEAD_OWN_BYTES, WORKER_OWN_BYTES, memory_bytes, shm_bytes
from daybreak.services.ray.cpus import number_of
from daybreak.services.ray.serve import serve
from daybreak.services.ray.serve_config import Serving, serving
from daybreak.services.ray.start_command import START_PROGRAM, start_options
from daybreak.services.service import Service, Tier
from daybreak.services.site import Site
from daybreak.spec.groups import by_group, each_group
from daybreak.spec.model import Node, Spec, WorkerGroup

# Beside Ray's folder, which is not there yet.
SERVING = "/tmp/daybreak-serving"
DASHBOARD_FOLDER = "/tmp/daybreak-dashboard"
REQUEST = "serve.json"
STOP_GRACE = "15s"
# What a container has by itself: its own address, and a place for temporary files.
OWN_FLAGS = ("--node-ip-address=", "--temp-dir=")
SPILLING_SINCE = (2, 50)
# Not in memory, where all of /tmp is.
SPILLING = "/var/tmp/ray-spill"

HEAD_COMMENT = """\
Ray's head. {deploys}Healthy means {healthy}.
/tmp is fresh after every restart: Ray must not find the addresses of the cluster that was."""
WORKER_COMMENT = """\
{what}, all alike: one service, so that `--scale {name}=N` changes their number and their name finds them all.
They do not wait until the head is healthy: that includes the applications, and these may need a worker to run on."""


def image(target: Target) -> dict[str, Any]:
    """An image that was built here is in no registry, where its name may be somebody else's."""
    return {"image": target.image} | ({"pull_policy": "never"} if target.local else {})


def account(target: Target) -> dict[str, Any]:
    return {"user": environment.user(target.user), "security_opt": ["no-new-privileges:true"]}


def command(*words: str) -> list[str]:
    """A command that gets the secrets in its environment; the image's entrypoint stays before it."""
    return ["sh", f"{CONFIG}/enter.sh", *words]


def head(spec: Spec, target: Target, tiers: Mapping[str, str], conditions: Mapping[str, str]) -> Part:
    """The head; `conditions` are those of what must be there before the applications are deployed."""
    node = _head(spec, target)
    program = (*PYTHON, HEALTH)
    both = f"test -e {SERVING} && exec {' '.join(program)}"
    test = ["CMD-SHELL", both] if spec.serve.wanted else ["CMD", *program]
    body = {
        **image(target),
        **_node(spec, spec.head, target, node, HEAD),
        "healthcheck": _healthcheck(spec, target, test, deploys=spec.serve.wanted),
        "depends_on": needs(conditions, tier=Tier.APP, tiers=tiers),
        "ports": _ports(spec, target),
        **_limits(spec.head, HEAD_OWN_BYTES),
        **common(spec, Tier.APP),
    }
    body["environment"]["DAYBREAK_HEALTH_URLS"] = health_url(spec, target)
    deploys = "Its program deploys the applications after every start. " if spec.serve.wanted else ""
    healthy = "that all applications run, and answer" if spec.serve.wanted else "that the GCS knows this node"
    return Part(HEAD, HEAD_COMMENT.format(deploys=deploys, healthy=healthy), _without_empty(body))


def workers(spec: Spec, target: Target) -> list[Part]:
    """A service for each group of workers; also one without a worker is there, and can be scaled."""
    return [_workers(spec, target, name, group) for name, group in by_group(spec.workers).items()]


def _workers(spec: Spec, target: Target, name: str, group: WorkerGroup) -> Part:
    node, site = _worker(spec, target, name), _workers_site(spec, target)
    limits = _limits(group, WORKER_OWN_BYTES)
    body = {
        **image(target),
        **_node(spec, group, target, node, name),
        "healthcheck": _healthcheck(spec, target, ["CMD", *PYTHON, HEALTH], deploys=False),
        # When Compose restarts the head, it restarts these as well.
        "depends_on": {HEAD: {"condition": "service_started", "restart": True}},
        "deploy": {"replicas": group.count, **limits.get("deploy", {})},
        **common(spec, Tier.APP),
    }
    body["environment"]["DAYBREAK_HEALTH_URLS"] = f"127.0.0.1:{site.ports[f'{name}-1.agent_http']}{AGENT_HEALTH}"
    what = "Ray's workers" if name == ONLY else f"Ray's workers of the group {name}"
    return Part(name, WORKER_COMMENT.format(what=what, name=name), _without_empty(body))


def files(spec: Spec, target: Target) -> list[File]:
    """What the first programs of the nodes are told, as `programs/node/node.py` reads it, and what the head deploys."""
    head_job = {**_job(spec, _head(spec, target), target), "discard": [SERVING]}
    if spec.serve.wanted:
        deploying = [PYTHON[0], f"{CONFIG}/programs/deploy/deploy.py", f"{CONFIG}/{REQUEST}"]
        head_job["deploy"] = {"command": deploying, "done": SERVING}
    after = {"address": addresses.address(spec_inside(spec), site_inside(spec, target)), "within_s": spec.start_timeout}
    jobs = {
        name: {**_job(spec, _worker(spec, target, name), target), "after": after} for name in by_group(spec.workers)
    }
    return [_json(f"{name}.json", job) for name, job in {HEAD: head_job, **jobs}.items()] + _request(spec, target)


def _head(spec: Spec, target: Target) -> Service:
    return nodes.head(spec_inside(spec), site_inside(spec, target))


def _worker(spec: Spec, target: Target, group: str) -> Service:
    return nodes.worker(_with_workers(spec_inside(spec)), _workers_site(spec, target), f"{group}-1")


def _workers_site(spec: Spec, target: Target) -> Site:
    """Ports are chosen for workers that there are."""
    return site_inside(_with_workers(spec), target)


def _with_workers(spec: Spec) -> Spec:
    """The same with at least one worker of each group."""
    some = each_group(spec.workers, lambda group: {"count": max(1, group.count)})
    return spec.model_copy(update={"workers": some})


def _job(spec: Spec, service: Service, target: Target) -> dict[str, Any]:
    """Not `ray start` alone: its raylet ends when the agents have not begun within 15 s, as on a busy machine, and its
    command when the dashboard has not within 60 s."""
    site = replace(site_inside(spec, target), node=service.name)
    options = start_options(spec_inside(spec), site, PYTHON[0], DASHBOARD_FOLDER)
    flags = [word for word in service.argv[1:] if not word.startswith(OWN_FLAGS)]
    if target.ray.release >= SPILLING_SINCE:
        flags.append(f"--object-spilling-directory={SPILLING}")
    return {
        "start": [PYTHON[0], f"{CONFIG}/{START_PROGRAM}", options, *flags],
        "vital": list(service.vital),
        "afterwards": [part.replace(str(PACKAGE), CONFIG) for part in service.stop.afterwards],
        "grace_s": service.stop.grace_s,
    }


def _json(name: str, content: Mapping[str, Any]) -> File:
    return File(f"config/{name}", json.dumps(content, indent=1) + "\n")


def _request(spec: Spec, target: Target) -> list[File]:
    """What the head deploys, as `programs/deploy/deploy.py` reads it."""
    if not spec.serve.wanted:
        return []
    made = serve(spec_inside(spec), site_inside(spec, target)).files[0]
    request = json.loads(made.text)
    request["status_file"] = "/tmp/daybreak-serve-status.json"
    request["instance"] = spec.name
    request["nodes_file"] = request["code_link"] = None
    request["dashboard"] = f"http://127.0.0.1:{spec.port('dashboard')}"
    request["raylet_health"] = f"http://127.0.0.1:{site_inside(spec, target).ports['head.agent_http']}{AGENT_HEALTH}"
    if request["config"]:
        # Only this address is reachable from outside the container; the published port has the file's.
        options = request["config"]["http_options"]
        options["host"] = "0.0.0.0"
    return [_json(REQUEST, request)]


def serve_door(spec: Spec, target: Target) -> Serving:
    """Where Serve is published; it has the same port in its container."""
    return serving(spec, site_inside(spec, target))


def health_url(spec: Spec, target: Target) -> str:
    """What the head's health check asks."""
    door = serve_door(spec, target)
    if spec.serve.wanted and door.http:
        scheme = "https://" if door.tls else ""
        return f"{scheme}127.0.0.1:{door.port}{spec.serve.health or '/-/healthz'}"
    return f"127.0.0.1:{site_inside(spec, target).ports['head.agent_http']}{AGENT_HEALTH}"


def _node(spec: Spec, node: Node, target: Target, service: Service, name: str) -> dict[str, Any]:
    """What head and workers have in common. The program that starts and watches the node is the container's first."""
    secrets = environment.secrets_read(spec, target)
    uses = (*node.secrets, *spec.serve.secrets)
    return {
        **account(target),
        "entrypoint": command("python", "-IS", f"{CONFIG}/programs/node/node.py", f"{CONFIG}/{name}.json"),
        "environment": environment.plain(service.env)
        | environment.connections(spec, target)
        | serve_env(spec, target)
        | dict(node.env)
        | handed.variables(uses),
        **handed.body(spec, target, secrets, uses, node.env_file),
        "volumes": [f"./config:{CONFIG}:ro"],
        # Runtime environments have programs and libraries there, which memory file systems forbid by default. The image
        # has this folder: an engine makes one that it has not, and after a restart that belongs to root.
        "tmpfs": ["/tmp:exec,mode=1777"],
        "shm_size": size(shm_bytes(node)),
        "stop_grace_period": STOP_GRACE,
    }


def serve_env(spec: Spec, target: Target) -> dict[str, str]:
    """What Serve is tuned for, and HAProxy as its proxy, where the image has it. In a container its own files and ports
    need no moving."""
    there = bool(target.ray.haproxy) and target.ray.release >= haproxy.OLDEST
    wanted = haproxy.asked_for(spec) and there and not haproxy.hindrance(spec, site_inside(spec, target))
    drain = {"RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": haproxy.DRAIN_S}
    door = {"RAY_SERVE_ENABLE_HA_PROXY": "1", **drain} if wanted else {}
    return {**door, **profile.env(spec, target.ray)}


def _ports(spec: Spec, target: Target) -> list[dict[str, Any]]:
    found = []
    if spec.serve.wanted:
        door = serve_door(spec, target)
        ports = [door.port, *([door.grpc_port] if door.grpc_port else [])] if door.http else []
        found += [published(door.host, port, port) for port in ports]
    if spec.dashboard:
        found.append(published(spec.listen, spec.port("dashboard"), spec.port("dashboard")))
    if spec.ray.client:
        found.append(published("127.0.0.1", spec.port("client"), CLIENT_PORT))
    return found


def _limits(node: Node, own_bytes: int) -> dict[str, Any]:
    found = limits(memory_bytes(node, own_bytes), number_of(node))
    if not node.gpus:
        return found
    which = {"count": node.gpus} if isinstance(node.gpus, int) else {"device_ids": list(map(str, node.gpus))}
    device = {"driver": "nvidia", **which, "capabilities": ["gpu"]}
    resources = found.get("deploy", {}).get("resources", {})
    return {"deploy": {"resources": {**resources, "reservations": {"devices": [device]}}}}


def _healthcheck(spec: Spec, target: Target, test: list[str], *, deploys: bool) -> dict[str, Any]:
    period_s = _start_period_s(spec, deploys=deploys)
    return healthcheck(spec.health, test, start_interval=target.start_interval, start_period_s=period_s)


def _start_period_s(spec: Spec, *, deploys: bool) -> float:
    """Failures do not count for so long that a node is unhealthy when its deadline has passed, and after it that of the
    applications that it deploys: an engine counts from the container's start."""
    policy = spec.health
    deadline_s = spec.start_timeout + (spec.serve.start_timeout if deploys else 0.0)
    return max(policy.start_period, deadline_s - policy.retries * policy.interval)


def _without_empty(body: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in body.items() if value not in ([], {}, None)}
