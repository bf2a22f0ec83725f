"""What stands beside the manifests: how they are used. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from daybreak.extras.export.kuberay import handed
from daybreak.extras.export.kuberay.serve import PORT
from daybreak.extras.export.target import Target
from daybreak.spec.model import Spec

_TEXT = """\
# {name} on Kubernetes

Written by `daybreak export kuberay`. It needs the KubeRay operator, 1.6 or newer, in the cluster, and an image that its
machines can pull:

    docker push {image}
    kubectl apply -k .
    {look}
{before}
Then:

| to | do |
|---|---|
| see how far it is | `kubectl get {kind},pods -l app.kubernetes.io/instance={name}` |
{rows}| have another number of workers | change `replicas`, `minReplicas` and `maxReplicas` in `ray.yaml`, and apply |
| let Prometheus and Grafana see it, where their operators run | `kubectl apply -k monitoring` |
| remove it | `kubectl delete -k .`; volumes of databases stay, until `kubectl delete pvc` |

Passwords and Ray's token are in `secrets/`, which git ignores; `kustomization.yaml` makes Secrets of them. A second
export keeps them. Everything else that was not changed by hand is written anew.
"""
_EXTERNAL = "Before the first `apply` put the address of {what} into {where}, without a new line at its end."
_OWN = """\
Before the first `apply` make the Secrets that are your own; this folder has none of their values:

{commands}"""
_SERVE_ROWS = """\
| ask the applications | `kubectl port-forward svc/{name}-serve-svc {port}`, then http://127.0.0.1:{port} |
| bring new code | build and push an image with another tag, write that into `ray.yaml`, and apply: requests move over |
"""
_DASHBOARD_ROW = (
    "| see Ray's dashboard | `kubectl port-forward svc/{name}-head-svc 8265`, then http://127.0.0.1:8265 |\n"
)
_LOOK = {
    "RayService": "kubectl wait rayservice/{name} --for=condition=Ready --timeout=15m",
    "RayCluster": "kubectl wait raycluster/{name} --for=condition=RayClusterProvisioned --timeout=15m",
    "RayJob": "kubectl wait rayjob/{name} --for=jsonpath='{{.status.jobStatus}}'=SUCCEEDED --timeout=1h",
}


def text(spec: Spec, target: Target, kind: str, external: Sequence[str]) -> str:
    """The file. `external` are the names of databases that are elsewhere."""
    rows = _DASHBOARD_ROW.format(name=spec.name) if kind != "RayJob" else ""
    if kind == "RayService":
        rows = _SERVE_ROWS.format(name=spec.name, port=PORT) + rows
    files = {"postgres": "secrets/database-url", "redis": "secrets/redis-url"}
    where = " and ".join(f"`{files[name]}`" for name in external)
    before = [_EXTERNAL.format(what=" and ".join(external), where=where)] if external else []
    if commands := handed.commands(spec, target):
        before.append(_OWN.format(commands="\n".join(f"    {line}" for line in commands)))
    return _TEXT.format(
        name=spec.name,
        image=target.image,
        look=_LOOK[kind].format(name=spec.name),
        kind=kind.lower(),
        rows=rows,
        before="".join(f"\n{text}\n" for text in before),
    )
