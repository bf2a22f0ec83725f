"""From KubeRay's RayService, RayCluster or RayJob to the sections of a spec. Pure."""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from daybreak.extras.init_from.draft import Draft, Fate, without_nothing
from daybreak.spec.names import as_name

SERVICE, CLUSTER, JOB = "RayService", "RayCluster", "RayJob"
KINDS = (SERVICE, CLUSTER, JOB)
SERVE_FILE = "serve.yaml"
GPU_SUFFIX = "gpu"
# Options of `ray start` that a node of daybreak is given by itself, or that are brought over.
OF_COURSE = frozenset(
    (
        *("head", "block", "address", "port", "node-ip-address", "dashboard-host", "dashboard-port"),
        *("dashboard-agent-listen-port", "metrics-export-port", "num-cpus", "num-gpus", "memory"),
        *("object-store-memory", "resources", "labels", "no-monitor", "disable-usage-stats"),
    )
)
QUANTITY = re.compile(r"(?P<number>\d+(\.\d+)?)(?P<unit>m|[kKMGTPE]i?)?")


def is_kuberay(documents: Sequence[Any]) -> bool:
    """Is there one of KubeRay's objects among these documents?"""
    return any(_is(document, *KINDS) for document in documents)


def draft_of_kuberay(documents: Sequence[Any], name: str, backend: str) -> Draft:
    """The draft of the spec, from the first of KubeRay's objects. Every group of nodes and every other object has a
    fate in it."""
    objects = [document for document in documents if isinstance(document, Mapping)]
    ray = next(each for each in objects if _is(each, *KINDS))
    draft = Draft(backend, {"name": name, **({"backend": backend} if backend == "docker" else {})})
    body = _mapping(ray.get("spec"))
    inside = {SERVICE: "rayClusterConfig", CLUSTER: "", JOB: "rayClusterSpec"}[str(ray["kind"])]
    _cluster(draft, _mapping(body.get(inside)) if inside else body)
    _serve(draft, body)
    _job(draft, body)
    for other in objects:
        if other is not ray:
            called = _mapping(other.get("metadata")).get("name")
            draft.left_out(f"{other.get('kind')} {called}", "only Kubernetes has a place for it")
    return draft


def name_of(documents: Sequence[Any]) -> str:
    """What the first of KubeRay's objects is called; empty where it says nothing."""
    ray = next(document for document in documents if _is(document, *KINDS))
    return str(_mapping(ray.get("metadata")).get("name") or "")


def _is(document: Any, *kinds: str) -> bool:
    return isinstance(document, Mapping) and document.get("kind") in kinds


def _cluster(draft: Draft, cluster: Mapping[str, Any]) -> None:
    if version := cluster.get("rayVersion"):
        draft.section("ray")["version"] = f"=={version}"
    kept = _mapping(cluster.get("gcsFaultToleranceOptions"))
    if kept.get("backend") == "rocksdb":
        draft.section("ray")["state"] = "rocksdb"
    elif kept:
        draft.notes.append("gcsFaultToleranceOptions: not by Redis; `ray.state: rocksdb` survives a lost head, too")
    if cluster.get("enableInTreeAutoscaling"):
        draft.notes.append("enableInTreeAutoscaling: a machine has as many workers as `daybreak scale` says")
    head = _mapping(cluster.get("headGroupSpec"))
    draft.spec["head"] = _node(head, draft.became("headGroupSpec", "head"))
    groups = [_mapping(group) for group in cluster.get("workerGroupSpecs") or ()]
    draft.spec["workers"] = _workers(draft, groups) or {"count": 0}


def _workers(draft: Draft, groups: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One group is `workers` itself."""
    nodes: dict[str, Any] = {}
    for group in groups:
        name = as_name(str(group.get("groupName") or "worker"))
        became = f"workers.groups.{name}" if len(groups) > 1 else "workers"
        fate = draft.became(f"workerGroupSpecs {group.get('groupName') or ''}".strip(), became)
        nodes[name] = {"count": _count(group, fate), **_node(group, fate)}
    return {"groups": nodes} if len(nodes) > 1 else next(iter(nodes.values()), {})


def _count(group: Mapping[str, Any], fate: Fate) -> int:
    least, most = group.get("minReplicas", 0), group.get("maxReplicas")
    count = int(group.get("replicas", least) or 0)
    if most not in (None, count) or least not in (0, count):
        fate.notes.append(f"{count} of them; KubeRay has from {least} to {'any number' if most is None else most}")
    if int(group.get("numOfHosts") or 1) > 1:
        fate.notes.append("numOfHosts is left out: each worker is one node")
    return count


def _node(group: Mapping[str, Any], fate: Fate) -> dict[str, Any]:
    options = {str(key): str(value) for key, value in _mapping(group.get("rayStartParams")).items()}
    pod = _mapping(_mapping(group.get("template")).get("spec"))
    containers = [_mapping(one) for one in pod.get("containers") or ()]
    ray = containers[0] if containers else {}
    found = {
        "cpus": _cpus(options, ray),
        "gpus": _gpus(options, ray),
        "memory": _number(options["memory"]) if "memory" in options else _size(_amount(ray, "memory")),
        "object_store": _number(options["object-store-memory"]) if "object-store-memory" in options else None,
        "resources": _resources(options, _mapping(group.get("resources")), fate),
        "labels": {str(key): str(value) for key, value in _mapping(group.get("labels")).items()},
        "env": dict(_environment(ray, fate)),
    }
    _tell_rest(options, pod, containers, fate)
    return without_nothing(found)


def _tell_rest(options: Mapping[str, str], pod: Mapping[str, Any], containers: Sequence[Any], fate: Fate) -> None:
    if image := (containers[0] if containers else {}).get("image"):
        fate.notes.append(f"what {image} has besides Ray must be installed here")
    if unknown := [f"--{name}" for name in options if name not in OF_COURSE]:
        fate.notes.append(f"not carried over: {', '.join(unknown)}")
    for other in containers[1:]:
        fate.notes.append(f"the container {other.get('name')} is left out; see `services`")
    kept = ("volumes", "initContainers", "nodeSelector", "tolerations", "affinity")
    if there := [key for key in kept if pod.get(key)]:
        fate.notes.append(f"left out: {', '.join(there)}")


def _cpus(options: Mapping[str, str], container: Mapping[str, Any]) -> int | None:
    """As KubeRay tells Ray: the limit, rounded up."""
    if "num-cpus" in options:
        return _number(options["num-cpus"])
    found = QUANTITY.fullmatch(_amount(container, "cpu"))
    if not found:
        return None
    return math.ceil(float(found["number"]) / (1000 if found["unit"] == "m" else 1))


def _gpus(options: Mapping[str, str], container: Mapping[str, Any]) -> int | None:
    if "num-gpus" in options:
        return _number(options["num-gpus"])
    limits = _mapping(_mapping(container.get("resources")).get("limits"))
    found = [str(value) for name, value in limits.items() if str(name).endswith(GPU_SUFFIX)]
    return _number(found[0]) if found else None


def _amount(container: Mapping[str, Any], name: str) -> str:
    resources = _mapping(container.get("resources"))
    limits, requests = _mapping(resources.get("limits")), _mapping(resources.get("requests"))
    return str(limits.get(name, requests.get(name, "")))


def _size(amount: str) -> str | None:
    """As a spec has sizes."""
    found = QUANTITY.fullmatch(amount)
    return amount.replace("k", "K") if found and found["unit"] != "m" else None


def _number(text: str) -> int | None:
    try:
        return int(float(text))
    except ValueError:
        return None


def _resources(options: Mapping[str, str], group: Mapping[str, Any], fate: Fate) -> dict[str, int]:
    """Custom ones: in quotes for a shell, as KubeRay wants them, or without."""
    text = options.get("resources", "")
    usual = ("CPU", "GPU", "memory", "object_store_memory")
    given = {**_read(text), **{str(key): value for key, value in group.items() if str(key) not in usual}}
    found = {name: amount for name, value in given.items() if (amount := _number(str(value))) is not None}
    if text and not found:
        fate.notes.append(f"--resources {text} was not understood")
    return found


def _read(text: str) -> dict[str, Any]:
    for candidate in (text, *_unquoted(text), text.replace('\\"', '"').strip("\"'")):
        try:
            return {str(key): value for key, value in json.loads(candidate).items()}
        except (ValueError, AttributeError):
            continue
    return {}


def _unquoted(text: str) -> list[str]:
    try:
        return shlex.split(text)[:1]
    except ValueError:
        return []


def _environment(container: Mapping[str, Any], fate: Fate) -> Iterator[tuple[str, str]]:
    for one in container.get("env") or ():
        name = str(one.get("name"))
        if "value" in one:
            yield name, str(one["value"]).replace("$$(", "$(").replace("${", "$${")
        else:
            where = _mapping(next(iter(_mapping(one.get("valueFrom")).values()), {}))
            fate.notes.append(f"{name} came from {where.get('name') or 'the pod'}; write it into `secrets` or `env`")
    if container.get("envFrom"):
        fate.notes.append("envFrom is left out; write what it holds into an `env_file`")


def _serve(draft: Draft, body: Mapping[str, Any]) -> None:
    config = body.get("serveConfigV2")
    if not config:
        return
    text = config if isinstance(config, str) else json.dumps(config, indent=1)
    draft.files[SERVE_FILE] = text if text.endswith("\n") else f"{text}\n"
    draft.spec["serve"] = {"config": SERVE_FILE}
    draft.became("serveConfigV2", "serve")


def _job(draft: Draft, body: Mapping[str, Any]) -> None:
    entrypoint = body.get("entrypoint")
    if not entrypoint:
        return
    draft.left_out("entrypoint", f"when the cluster is up: daybreak job submit -- {entrypoint}")
    if body.get("runtimeEnvYAML"):
        draft.left_out("runtimeEnvYAML", "the job runs in the cluster's environment")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
