"""What KubeRay has no way for, for people. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from daybreak.extras.export.kuberay import own_services, serve
from daybreak.extras.export.left_out import left_to_the_machine, of_several_machines
from daybreak.extras.export.target import Target
from daybreak.spec.model import Spec


def left_out(spec: Spec, target: Target) -> Iterator[str]:
    """One line for each thing that was written in the spec, or would surprise."""
    written = spec.model_fields_set
    if "warm" in written and spec.warm.enabled:
        yield "warm: pods start without the template; only daybreak's own clusters fork from it"
    if "page" in written and spec.page.enabled:
        yield "page: there is no keeper in Kubernetes, so there is neither the page nor daybreak's metrics"
    if "gateway" in written and spec.gateway.enabled:
        yield "gateway: no request waits for an application there; see `upgradeStrategy` for changes without a gap"
    if spec.tls:
        yield "tls: Serve's port speaks plain HTTP; the ingress or the gateway in front of it speaks TLS"
    if spec.alerts.model_fields_set:
        yield "alerts: there is no keeper that tells anybody; Prometheus can"
    if "hooks" in written:
        yield "hooks: nothing runs before or after `kubectl apply`; a service with `run: once` is a Job"
    if spec.serve.health:
        yield "serve.health: KubeRay goes by what Serve says of the applications, and asks no route of theirs"
    for name in ("postgres", "mysql"):
        if getattr(getattr(spec.databases, name), "init", ()):
            yield f"databases.{name}.init: no script runs when the data is made; run them by hand: kubectl exec"
    yield from of_several_machines(spec)
    yield from left_to_the_machine(spec)
    if not spec.ray.auth:
        yield "ray.auth: false counts there, too: every pod that reaches the head runs code in the cluster"
    if spec.ray.python:
        yield "ray.python: the image's interpreter runs"
    if spec.ports.model_fields_set:
        yield "ports: every pod has an address of its own, so the usual ports are used"
    groups = {f"workers.groups.{name}": group for name, group in spec.workers.groups.items()}
    nodes = {"head": spec.head, **(groups or {"workers": spec.workers})}
    for name, node in nodes.items():
        if not node.memory:
            yield (
                f"{name}.memory: without it the pod has no limit, and Ray counts all memory of the machine as its own; "
                "write how much tasks may use"
            )
    yield from serve.left_out(target.serve_config)
    yield from own_services.left_out(spec)
