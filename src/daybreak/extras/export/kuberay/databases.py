"""The databases: a StatefulSet with a volume and a Service each; their containers are the docker backend's. Pure."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import PurePosixPath
from typing import Any

from daybreak.extras.export import data
from daybreak.extras.export.files import File
from daybreak.extras.export.kuberay.names import beside, config_name, labels, literally, metadata, secret_name
from daybreak.extras.export.kuberay.pods import probe, resources, runs, shared_memory, starting, without_empty, words
from daybreak.extras.export.target import Target
from daybreak.services.databases.connections import USUAL_PORTS
from daybreak.services.databases.containers import SETUP
from daybreak.services.service import Container, MountKind, Secret, Service
from daybreak.spec.model import Spec

DATA = "data"
SECRET, CONFIG = "secrets", "config"


def wanted(spec: Spec, target: Target, external: Collection[str]) -> list[Service]:
    """Those that run in Kubernetes; `external` have a place of their own. Raises SpecError for a bad setting."""
    return [service for service in data.services(spec, target) if service.name not in external]


def objects(spec: Spec, services: Collection[Service], storage: str) -> list[dict[str, Any]]:
    found = []
    for service in services:
        found += [_set(spec, service, storage), _service(spec, service)]
    return found


def files(services: Collection[Service]) -> list[File]:
    """What is in the ConfigMap."""
    return [File(f"config/{key(service, file.path)}", file.text) for service in services for file in service.files]


def key(service: Service, path: str) -> str:
    """A file's name in the ConfigMap, which has no folders."""
    return f"{service.name}-{PurePosixPath(path).name}"


def _service(spec: Spec, service: Service) -> dict[str, Any]:
    name = beside(spec, service.name)
    port = {"name": service.name, "port": USUAL_PORTS[service.name], "targetPort": service.name}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(spec, name, service.name),
        "spec": {"selector": labels(spec, service.name), "ports": [port]},
    }


def _set(spec: Spec, service: Service, storage: str) -> dict[str, Any]:
    name = beside(spec, service.name)
    claim = {
        "metadata": {"name": DATA},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": storage}}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": metadata(spec, name, service.name),
        "spec": {
            "serviceName": name,
            "replicas": 1,
            "selector": {"matchLabels": labels(spec, service.name)},
            "template": {"metadata": {"labels": labels(spec, service.name)}, "spec": _pod(spec, service)},
            "volumeClaimTemplates": [claim],
        },
    }


def _pod(spec: Spec, service: Service) -> dict[str, Any]:
    container = service.container
    assert container
    mounts, volumes = _mounts(service, container), _volumes(spec, service, container)
    if container.shm_bytes:
        volume, mount = shared_memory(container.shm_bytes)
        volumes, mounts = [*volumes, volume], [*mounts, mount]
    well = runs(*(container.health or data.NEO4J_HEALTH))
    body = {
        "name": service.name,
        "image": container.image,
        "command": words(container.entrypoint or ()),
        "args": words(service.argv),
        "env": _environment(spec, service),
        "ports": [{"name": service.name, "containerPort": USUAL_PORTS[service.name]}],
        "volumeMounts": mounts,
        "startupProbe": starting(well, spec.start_timeout),
        "livenessProbe": probe(spec.health, well),
        "readinessProbe": probe(spec.health, well),
        **resources(cpus=container.cpus, memory_bytes=container.memory_bytes),
    }
    return {
        # Variables of every other Service of the namespace would only confuse.
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": int(service.stop.grace_s),
        "containers": [without_empty(body)],
        "volumes": volumes,
    }


def _environment(spec: Spec, service: Service) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for name, value in service.env.items():
        if isinstance(value, Secret):
            reference = {"name": secret_name(spec), "key": PurePosixPath(value.path).name}
            found.append({"name": name, "valueFrom": {"secretKeyRef": reference}})
        elif isinstance(value, str) and name != SETUP:
            found.append({"name": name, "value": literally(value)})
    return found


def _mounts(service: Service, container: Container) -> list[dict[str, Any]]:
    """A folder below the volume's top, where some file systems have one of their own; files one by one."""
    found: list[dict[str, Any]] = [
        {"name": DATA, "mountPath": mount.target, "subPath": DATA}
        for mount in container.mounts
        if mount.kind is MountKind.VOLUME
    ]
    for path, secret in container.secrets.items():
        name = PurePosixPath(secret.path).name
        found.append({"name": SECRET, "mountPath": path, "subPath": name, "readOnly": True})
    for file in service.files:
        found.append({"name": CONFIG, "mountPath": file.path, "subPath": key(service, file.path), "readOnly": True})
    return found


def _volumes(spec: Spec, service: Service, container: Container) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    names = sorted(PurePosixPath(secret.path).name for secret in container.secrets.values())
    if names:
        items = [{"key": name, "path": name} for name in names]
        found.append({"name": SECRET, "secret": {"secretName": secret_name(spec), "items": items}})
    if service.files:
        found.append({"name": CONFIG, "configMap": {"name": config_name(spec)}})
    return found
