"""Ray's nodes: the head's group and the workers', as RayCluster has them. Pure."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from daybreak.extras.export import environment
from daybreak.extras.export.kuberay import handed
from daybreak.extras.export.kuberay.names import labels, token_name, variables
from daybreak.extras.export.kuberay.pods import asks, image, probe, resources, shared_memory, starting
from daybreak.extras.export.kuberay.serve import GRPC_PORT, PORT
from daybreak.extras.export.nodes import serve_env
from daybreak.extras.export.target import CLIENT_PORT, Target
from daybreak.services.ray.addresses import AGENT_HEALTH, DASHBOARD_HEALTH
from daybreak.services.ray.containers import HEAD_OWN_BYTES, WORKER_OWN_BYTES, memory_bytes, shm_bytes
from daybreak.services.ray.cpus import number_of, whole_cpus
from daybreak.services.ray.gpus import amount_of
from daybreak.spec.groups import by_group
from daybreak.spec.model import Node, Spec, WorkerGroup
from daybreak.spec.secrets import SecretUse

HEAD_CONTAINER, WORKER_CONTAINER = "ray-head", "ray-worker"
RAY_NODE = "ray"
# What `ray start` and KubeRay agree on.
GCS_PORT, DASHBOARD_PORT, METRICS_PORT, DASHBOARD_METRICS_PORT, AGENT_PORT = 6379, 8265, 8080, 44227, 52365
DASHBOARD_METRICS = "dash-metrics"
GCS_IS_WELL = f"http://127.0.0.1:{DASHBOARD_PORT}{DASHBOARD_HEALTH}"
RAYLET_IS_WELL = f"http://127.0.0.1:{AGENT_PORT}{AGENT_HEALTH}"
PROXY_IS_WELL = f"http://127.0.0.1:{PORT}/-/healthz"
# A head that offers no CPU needs some all the same.
LEAST_CPUS = 0.5
# Where the GCS keeps what it knows.
STATE_SIZE = "1Gi"


def cluster(spec: Spec, target: Target) -> dict[str, Any]:
    """The specification of a RayCluster."""
    found: dict[str, Any] = {"rayVersion": target.ray.version}
    if target.ray.has_token_auth:
        found["authOptions"] = {"mode": "token", "secretName": token_name(spec)}
    if spec.ray.state == "rocksdb":
        found["gcsFaultToleranceOptions"] = {"backend": "rocksdb", "storage": {"size": STATE_SIZE}}
    found["headGroupSpec"] = _head(spec, target)
    found["workerGroupSpecs"] = [_workers(spec, target, name, group) for name, group in by_group(spec.workers).items()]
    return found


def _head(spec: Spec, target: Target) -> dict[str, Any]:
    well = asks(GCS_IS_WELL)
    ports = {
        "gcs-server": GCS_PORT,
        "dashboard": DASHBOARD_PORT,
        "client": CLIENT_PORT,
        "metrics": METRICS_PORT,
        DASHBOARD_METRICS: DASHBOARD_METRICS_PORT,
    }
    container = {
        "name": HEAD_CONTAINER,
        **image(target),
        **_environment(spec, target, spec.head),
        "ports": _ports({**ports, **_serving(spec, target)}),
        **_resources(spec.head, HEAD_OWN_BYTES),
        "startupProbe": starting(well, spec.start_timeout),
        "livenessProbe": probe(spec.health, well),
        "readinessProbe": probe(spec.health, well),
    }
    return {
        **_labels(spec.head, target),
        "rayStartParams": {"dashboard-host": "0.0.0.0", **_parameters(spec.head)},
        "template": _template(spec, spec.head, container),
    }


def _workers(spec: Spec, target: Target, name: str, group: WorkerGroup) -> dict[str, Any]:
    well = asks(RAYLET_IS_WELL)
    # Requests are for pods that have a proxy: those with replicas.
    ready = probe(spec.health, asks(PROXY_IS_WELL), once=True) if spec.serve.wanted else probe(spec.health, well)
    container = {
        "name": WORKER_CONTAINER,
        **image(target),
        **_environment(spec, target, group),
        "ports": _ports({"metrics": METRICS_PORT, **_serving(spec, target)}),
        **_resources(group, WORKER_OWN_BYTES),
        "startupProbe": starting(well, spec.start_timeout),
        "livenessProbe": probe(spec.health, well),
        "readinessProbe": ready,
    }
    return {
        "groupName": name,
        "replicas": group.count,
        "minReplicas": group.count,
        "maxReplicas": max(1, group.count),
        **_labels(group, target),
        "rayStartParams": _parameters(group),
        "template": _template(spec, group, container),
    }


def _serving(spec: Spec, target: Target) -> dict[str, int]:
    if not spec.serve.wanted:
        return {}
    grpc = ((target.serve_config or {}).get("grpc_options") or {}).get("grpc_servicer_functions")
    return {"serve": PORT, **({"serve-grpc": GRPC_PORT} if grpc else {})}


def _ports(ports: Mapping[str, int]) -> list[dict[str, Any]]:
    return [{"name": name, "containerPort": port} for name, port in ports.items()]


def _parameters(node: Node) -> dict[str, str]:
    """Options of `ray start`. KubeRay writes them into a shell's command."""
    found = {"num-cpus": str(whole_cpus(node)), "object-store-memory": str(node.object_store)}
    if (gpus := amount_of(node)) is not None:
        found["num-gpus"] = str(gpus)
    if node.memory:
        found["memory"] = str(node.memory)
    if node.resources:
        found["resources"] = shlex.quote(json.dumps(dict(node.resources)))
    return found


def _labels(node: Node, target: Target) -> dict[str, Any]:
    return {"labels": dict(node.labels)} if node.labels and target.ray.has_labels else {}


def _uses(spec: Spec, node: Node) -> tuple[SecretUse, ...]:
    """A node's secrets, and those of the applications, whose replicas may be anywhere."""
    return (*node.secrets, *(use for use in spec.serve.secrets if use not in node.secrets))


def _environment(spec: Spec, target: Target, node: Node) -> dict[str, Any]:
    env = {
        "RAY_USAGE_STATS_ENABLED": "0",
        **environment.connections(spec, target),
        **serve_env(spec, target),
        **node.env,
    }
    files = handed.env_from(spec, node.env_file)
    return {
        "env": [*variables(spec, env), *handed.variables(spec, _uses(spec, node))],
        **({"envFrom": files} if files else {}),
    }


def _resources(node: Node, own_bytes: int) -> dict[str, Any]:
    return resources(
        cpus=1.0 if number_of(node) is None else number_of(node),
        least_cpus=LEAST_CPUS,
        memory_bytes=memory_bytes(node, own_bytes),
        least_bytes=node.object_store + own_bytes,
        gpus=amount_of(node) or 0,
    )


def _template(spec: Spec, node: Node, container: Mapping[str, Any]) -> dict[str, Any]:
    volume, mount = shared_memory(shm_bytes(node))
    return {
        "metadata": {"labels": labels(spec, RAY_NODE)},
        "spec": {
            "containers": [{**container, "volumeMounts": [mount, *handed.mounts(_uses(spec, node))]}],
            "volumes": [volume, *handed.volumes(spec, _uses(spec, node))],
        },
    }
