"""The user's own services: a Deployment each, a StatefulSet for what keeps data, a Job for what runs to its end, a
CronJob for what does so now and then. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

from daybreak.extras.export.kuberay import handed
from daybreak.extras.export.kuberay.names import beside, labels, metadata, variables
from daybreak.extras.export.kuberay.pods import asks, image, probe, resources, runs, starting, without_empty, words
from daybreak.extras.export.target import APPLICATION, Target
from daybreak.extras.export.user_services import environment_of
from daybreak.hosts import is_loopback
from daybreak.spec.model import Spec, UserService
from daybreak.spec.needs import steps

# Half an hour and more: Kubernetes waits longer before each.
TRIES = 8


def objects(spec: Spec, target: Target, storage: str) -> list[dict[str, Any]]:
    found = []
    for name, wanted in spec.services.items():
        found.append(_workload(spec, target, name, wanted, storage))
        if wanted.ports:
            found.append(_service(spec, name, wanted))
    return found


def left_out(spec: Spec) -> Iterator[str]:
    """What of them cannot be said."""
    for name, wanted in spec.services.items():
        place = f"services.{name}"
        for volume in wanted.volumes:
            if volume.startswith((".", "/")):
                yield f"{place}.volumes: {volume} is a folder of this machine; put what it holds into the image"
        if wanted.needs:
            yield f"{place}.needs: nothing waits in Kubernetes; it is started again until what it needs is there"
        folder = posixpath.normpath(wanted.cwd)
        if folder.startswith(("..", "/")):
            yield f"{place}.cwd: {wanted.cwd} is not in the image, which has the spec's folder as {APPLICATION}"
        if wanted.tier == "data" and not _kept(wanted):
            yield f"{place}: what it writes is lost with its pod; give it a volume: {place}.volumes"


def _kept(wanted: UserService) -> list[tuple[str, str]]:
    """Its volumes: name and path."""
    pairs = (volume.removesuffix(":ro").split(":", 1) for volume in wanted.volumes)
    return [(name, path) for name, path in pairs if not name.startswith((".", "/"))]


def _workload(spec: Spec, target: Target, name: str, wanted: UserService, storage: str) -> dict[str, Any]:
    pod: dict[str, Any] = {
        "metadata": {"labels": labels(spec, name)},
        "spec": {
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": max(1, int(wanted.stop_grace)),
            "containers": [_container(spec, target, name, wanted)],
        },
    }
    if own := handed.volumes(spec, wanted.secrets):
        pod["spec"]["volumes"] = own
    head = {"metadata": metadata(spec, beside(spec, name), name)}
    if wanted.schedule or wanted.restart == "never" or name in steps(spec):
        pod["spec"]["restartPolicy"] = "Never"
        return _job(head, pod, wanted, tries=TRIES if name in steps(spec) else 0)
    body: dict[str, Any] = {"replicas": 1, "selector": {"matchLabels": labels(spec, name)}, "template": pod}
    kept = _kept(wanted)
    if not kept:
        return {"apiVersion": "apps/v1", "kind": "Deployment", **head, "spec": body}
    body["serviceName"] = beside(spec, name)
    body["volumeClaimTemplates"] = [
        {
            "metadata": {"name": volume},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": storage}}},
        }
        for volume, _ in kept
    ]
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", **head, "spec": body}


def _job(head: Mapping[str, Any], pod: Mapping[str, Any], wanted: UserService, *, tries: int) -> dict[str, Any]:
    """A step is tried again: what it needs may not be there yet."""
    job: dict[str, Any] = {"backoffLimit": tries, "template": pod}
    if not wanted.schedule:
        return {"apiVersion": "batch/v1", "kind": "Job", **head, "spec": job}
    if wanted.schedule.timeout:
        job["activeDeadlineSeconds"] = max(1, int(wanted.schedule.timeout))
    when = {"timeZone": wanted.schedule.timezone} if wanted.schedule.timezone else {}
    body = {"schedule": wanted.schedule.cron, **when, "concurrencyPolicy": "Forbid", "jobTemplate": {"spec": job}}
    return {"apiVersion": "batch/v1", "kind": "CronJob", **head, "spec": body}


def _container(spec: Spec, target: Target, name: str, wanted: UserService) -> dict[str, Any]:
    mounts = [{"name": volume, "mountPath": path, "subPath": volume} for volume, path in _kept(wanted)]
    body = {
        "name": name,
        **({"image": wanted.image} if wanted.image else image(target)),
        "args": words(wanted.command or ()),
        "workingDir": _folder(wanted),
        "env": [*variables(spec, _environment(spec, target, name, wanted)), *handed.variables(spec, wanted.secrets)],
        "envFrom": handed.env_from(spec, wanted.env_file),
        "ports": [{"name": f"p{port}", "containerPort": port} for port in wanted.ports],
        "volumeMounts": [*mounts, *handed.mounts(wanted.secrets)],
        **resources(cpus=wanted.cpus, memory_bytes=wanted.memory),
        **_probes(spec, wanted),
    }
    return without_empty(body)


def _environment(spec: Spec, target: Target, name: str, wanted: UserService) -> dict[str, str]:
    """Without what is for the program that Compose's containers begin with."""
    return environment_of(spec, target, name, wanted.model_copy(update={"secrets": ()}))


def _folder(wanted: UserService) -> str:
    if wanted.image and wanted.cwd == ".":
        return ""
    return posixpath.normpath(posixpath.join(APPLICATION, wanted.cwd))


def _probes(spec: Spec, wanted: UserService) -> dict[str, Any]:
    check = wanted.check
    if check is None or wanted.schedule or wanted.restart == "never":
        return {}
    if check.command:
        question = runs(*check.command)
    elif wanted.image:
        question = {"tcpSocket": {"port": check.tcp}} if check.tcp else _asked(str(check.http))
    else:  # also what listens on loopback alone, where the kubelet does not reach it
        question = asks(f"tcp://127.0.0.1:{check.tcp}" if check.tcp else str(check.http))
    begun = starting(question, wanted.start_timeout)
    return {"startupProbe": begun, "readinessProbe": probe(spec.health, question)}


def _asked(url: str) -> dict[str, Any]:
    """The kubelet asks: its own pod where the URL is one of loopback."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    host = {} if is_loopback(parts.hostname or "") else {"host": parts.hostname}
    port = parts.port or (443 if parts.scheme == "https" else 80)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return {"httpGet": {"path": path, "port": port, "scheme": parts.scheme.upper(), **host}}


def _service(spec: Spec, name: str, wanted: UserService) -> dict[str, Any]:
    ports = [{"name": f"p{port}", "port": port, "targetPort": port} for port in wanted.ports]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(spec, beside(spec, name), name),
        "spec": {"selector": labels(spec, name), "ports": ports},
    }
