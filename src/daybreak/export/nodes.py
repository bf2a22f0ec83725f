"""The head, which also deploys the Serve applications, and the workers. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from daybreak.export import environment
from daybreak.export.files import File
from daybreak.export.parts import Part, common, healthcheck, limits, needs, published, size
from daybreak.export.target import CLIENT_PORT, CONFIG, PYTHON, Target, inside, place
from daybreak.images.label import HEALTH
from daybreak.services import ingress, ray
from daybreak.services.base import Service, Tier
from daybreak.services.ray import HEAD
from daybreak.services.serve import serve
from daybreak.services.serving import Serving, serving
from daybreak.spec.model import Node, Spec, Workers
from daybreak.spec.units import MIB

WORKER = "worker"
# Beside Ray's folder, which is not there yet.
SERVING = "/tmp/daybreak-serving"
REQUEST = "serve.json"
# What Ray's own processes of a node take besides tasks, actors and objects.
HEAD_OVERHEAD_BYTES = 1536 * MIB
WORKER_OVERHEAD_BYTES = 512 * MIB
# An object store that fills all of /dev/shm would make Ray use the disk.
SHM_SPARE_BYTES = 64 * MIB
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
Ray's workers, all alike: one service, so that `--scale worker=N` changes their number and their name finds them all.
They do not wait until the head is healthy: that includes the applications, and these may need a worker to run on."""


def image(target: Target) -> dict[str, Any]:
    """An image that was built here is in no registry, where its name may be somebody else's."""
    return {"image": target.image} | ({"pull_policy": "never"} if target.local else {})


def account(target: Target) -> dict[str, Any]:
    return {"user": environment.user(target.user), "security_opt": ["no-new-privileges:true"]}


def command(*words: str) -> list[str]:
    """A command that gets the secrets in its environment; the image's entrypoint stays before it."""
    return ["sh", f"{CONFIG}/enter.sh", *words]


def head(spec: Spec, target: Target, tiers: Mapping[str, str]) -> Part:
    """The head. Its databases come first: an application may connect when it is imported."""
    within, site = inside(spec), place(spec, target)
    node = ray.head(within, site)
    words = [word for name in node.vital for word in ("--vital", name)]
    words += ["--deploy", f"{CONFIG}/{REQUEST}"] if spec.serve.wanted else []
    program = (*PYTHON, HEALTH)
    both = f"test -e {SERVING} && exec {' '.join(program)}"
    test = ["CMD-SHELL", both] if spec.serve.wanted else ["CMD", *program]
    body = {
        **image(target),
        **_node(spec, spec.head, target, node, words),
        "healthcheck": healthcheck(
            spec.health, test, start_interval=target.start_interval, start_period_s=_start_period_s(spec)
        ),
        "depends_on": needs(dict.fromkeys(_databases(spec), "service_healthy"), tier=Tier.APP, tiers=tiers),
        "ports": _ports(spec, target),
        **_limits(spec.head, HEAD_OVERHEAD_BYTES),
        **common(spec, Tier.APP),
    }
    body["environment"]["DAYBREAK_HEALTH_URLS"] = health_url(spec, target)
    deploys = "Its program deploys the applications after every start. " if spec.serve.wanted else ""
    healthy = "that all applications run, and answer" if spec.serve.wanted else "that the GCS knows this node"
    return Part(HEAD, HEAD_COMMENT.format(deploys=deploys, healthy=healthy), _without_empty(body))


def workers(spec: Spec, target: Target) -> Part:
    """The workers; also without one there is the service, which can be scaled."""
    within, site = inside(spec), place(spec.model_copy(update={"workers": _at_least_one(spec)}), target)
    node = ray.worker(within, site, 1)
    words = ["--after", ray.address(within, site), "--within", f"{spec.start_timeout:g}"]
    words += [word for name in node.vital for word in ("--vital", name)]
    limits = _limits(spec.workers, WORKER_OVERHEAD_BYTES)
    body = {
        **image(target),
        **_node(spec, spec.workers, target, node, words),
        "healthcheck": healthcheck(spec.health, ["CMD", *PYTHON, HEALTH], start_interval=target.start_interval),
        # When Compose restarts the head, it restarts these as well.
        "depends_on": {HEAD: {"condition": "service_started", "restart": True}},
        "deploy": {"replicas": spec.workers.count, **limits.get("deploy", {})},
        **common(spec, Tier.APP),
    }
    body["environment"]["DAYBREAK_HEALTH_URLS"] = f"127.0.0.1:{site.ports['worker-1.agent_http']}{ray.AGENT_HEALTH}"
    return Part(WORKER, WORKER_COMMENT, _without_empty(body))


def files(spec: Spec, target: Target) -> list[File]:
    """What the head deploys, as `rayside/deploy.py` reads it."""
    if not spec.serve.wanted:
        return []
    made = serve(inside(spec), place(spec, target)).files[0]
    request = json.loads(made.text)
    request["status_file"] = "/tmp/daybreak-serve-status.json"
    request["instance"] = spec.name
    request["nodes_file"] = None
    request["dashboard"] = f"http://127.0.0.1:{spec.port('dashboard')}"
    request["raylet_health"] = f"http://127.0.0.1:{place(spec, target).ports['head.agent_http']}{ray.AGENT_HEALTH}"
    if request["config"]:
        # Only this address is reachable from outside the container; the published port has the file's.
        options = request["config"]["http_options"]
        options["host"] = "0.0.0.0"
    return [File(f"config/{REQUEST}", json.dumps(request, indent=1) + "\n")]


def serve_door(spec: Spec, target: Target) -> Serving:
    """Where Serve is published; it has the same port in its container."""
    return serving(spec, place(spec, target))


def health_url(spec: Spec, target: Target) -> str:
    """What the head's health check asks."""
    door = serve_door(spec, target)
    if spec.serve.wanted and door.http:
        scheme = "https://" if door.tls else ""
        return f"{scheme}127.0.0.1:{door.port}{spec.serve.health or '/-/healthz'}"
    return f"127.0.0.1:{place(spec, target).ports['head.agent_http']}{ray.AGENT_HEALTH}"


def _node(spec: Spec, node: Node, target: Target, service: Service, words: list[str]) -> dict[str, Any]:
    """What head and workers have in common; `words` are for the program that starts and watches the node."""
    flags = [word for word in service.argv[1:] if not word.startswith(OWN_FLAGS)]
    if target.ray.release >= SPILLING_SINCE:
        flags.append(f"--object-spilling-directory={SPILLING}")
    secrets = environment.secrets_read(spec, place(spec, target))
    return {
        **account(target),
        "command": command("python", "-IS", f"{CONFIG}/node.py", *words, "--", "ray", *flags),
        "environment": environment.plain(spec, service.env) | _serve_env(spec, target) | dict(node.env),
        **environment.mounted(secrets),
        "volumes": [f"./config:{CONFIG}:ro"],
        # Runtime environments have programs and libraries there, which memory file systems forbid by default. The image
        # has this folder: an engine makes one that it has not, and after a restart that belongs to root.
        "tmpfs": ["/tmp:exec,mode=1777"],
        "shm_size": size(node.object_store + SHM_SPARE_BYTES),
        "stop_grace_period": STOP_GRACE,
    }


def _serve_env(spec: Spec, target: Target) -> dict[str, str]:
    """HAProxy as Serve's proxy, where the image has it. In a container its own files and ports need no moving."""
    there = bool(target.ray.haproxy) and target.ray.release >= ingress.OLDEST
    wanted = ingress.asked_for(spec) and there and not ingress.hindrance(spec, place(spec, target))
    drain = {"RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": ingress.DRAIN_S}
    return {"RAY_SERVE_ENABLE_HA_PROXY": "1", **drain} if wanted else {}


def _ports(spec: Spec, target: Target) -> list[dict[str, Any]]:
    found = []
    if spec.serve.wanted:
        door = serve_door(spec, target)
        ports = [door.port, *([door.grpc_port] if door.grpc_port else [])] if door.http else []
        found += [published(door.host, port, port) for port in ports]
    if spec.dashboard:
        found.append(published(spec.listen, spec.port("dashboard"), spec.port("dashboard")))
    if spec.ray.client_server:
        found.append(published("127.0.0.1", spec.port("client"), CLIENT_PORT))
    return found


def _limits(node: Node, overhead_bytes: int) -> dict[str, Any]:
    """Limits where the spec has amounts; a node without would be refused nothing as a process, either."""
    memory = None if node.memory is None else node.memory + node.object_store + overhead_bytes
    found = limits(memory, node.cpus)
    if not node.gpus:
        return found
    device = {"driver": "nvidia", "count": node.gpus, "capabilities": ["gpu"]}
    resources = found.get("deploy", {}).get("resources", {})
    return {"deploy": {"resources": {**resources, "reservations": {"devices": [device]}}}}


def _start_period_s(spec: Spec) -> float:
    """Failures do not count for so long that a head is unhealthy when the applications' deadline has passed."""
    policy = spec.health
    if not spec.serve.wanted:
        return policy.start_period
    return max(policy.start_period, spec.serve.start_timeout - policy.retries * policy.interval)


def _databases(spec: Spec) -> list[str]:
    wanted = {"postgres": spec.databases.postgres, "redis": spec.databases.redis}
    return [name for name, database in wanted.items() if database]


def _at_least_one(spec: Spec) -> Workers:
    """Ports are chosen for workers that there are."""
    return spec.workers.model_copy(update={"count": max(1, spec.workers.count)})


def _without_empty(body: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in body.items() if value not in ([], {}, None)}
