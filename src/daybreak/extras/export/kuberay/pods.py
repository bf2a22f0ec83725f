"""What all containers are made of. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from daybreak.docker.labels import HEALTH_FILE
from daybreak.extras.export.kuberay.names import literally
from daybreak.extras.export.target import PYTHON, Target
from daybreak.spec.model import Health
from daybreak.spec.quantity_types import MIB

SHARED_MEMORY = "shared-memory"


def image(target: Target) -> dict[str, Any]:
    """The application's."""
    return {"image": target.image, "imagePullPolicy": "IfNotPresent"}


def asks(*urls: str) -> dict[str, Any]:
    """A probe's question, by the program that the image has for it."""
    return {"exec": {"command": [*PYTHON, HEALTH_FILE, *urls]}}


def runs(*words: str) -> dict[str, Any]:
    return {"exec": {"command": [literally(word) for word in words]}}


def probe(policy: Health, question: Mapping[str, Any], *, once: bool = False) -> dict[str, Any]:
    """The spec's health policy with this question; `once` says that one failure counts."""
    return {
        **question,
        "periodSeconds": _whole(policy.interval),
        "timeoutSeconds": _whole(policy.timeout),
        "failureThreshold": 1 if once else policy.retries,
    }


def starting(question: Mapping[str, Any], deadline_s: float) -> dict[str, Any]:
    """The other probes begin when this one has passed: it looks every two seconds, until the start's deadline."""
    return {**question, "periodSeconds": 2, "timeoutSeconds": 5, "failureThreshold": max(1, math.ceil(deadline_s / 2))}


def resources(
    *, cpus: float | None, memory_bytes: int | None, least_bytes: int = 0, least_cpus: float = 0.0, gpus: int = 0
) -> dict[str, Any]:
    """What is given is what it gets; without an amount of memory it has no limit, and asks for the least."""
    requests: dict[str, str] = {}
    limits: dict[str, str] = {}
    if cpus:
        requests["cpu"] = limits["cpu"] = f"{cpus:g}"
    elif least_cpus:
        requests["cpu"] = f"{least_cpus:g}"
    if memory_bytes is not None:
        requests["memory"] = limits["memory"] = size(memory_bytes)
    elif least_bytes:
        requests["memory"] = size(least_bytes)
    if gpus:
        limits["nvidia.com/gpu"] = str(gpus)
    found = {"requests": requests, "limits": limits}
    return {"resources": {key: value for key, value in found.items() if value}} if requests or limits else {}


def shared_memory(size_bytes: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """A volume and its mount: an engine gives 64 MB."""
    volume = {"name": SHARED_MEMORY, "emptyDir": {"medium": "Memory", "sizeLimit": size(size_bytes)}}
    return volume, {"name": SHARED_MEMORY, "mountPath": "/dev/shm"}


def without_empty(body: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in body.items() if value not in ([], {}, (), None, "")}


def words(argv: Sequence[str]) -> list[str]:
    return [literally(word) for word in argv]


def size(count: int) -> str:
    """As Kubernetes reads it; rounded up to whole mebibytes."""
    return f"{math.ceil(count / MIB)}Mi"


def _whole(value_s: float) -> int:
    return max(1, math.ceil(value_s))
