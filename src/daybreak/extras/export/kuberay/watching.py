"""What a Prometheus operator and a Grafana of the cluster find by themselves. Pure."""

from __future__ import annotations

from typing import Any

from daybreak.extras.export.files import File
from daybreak.extras.export.kuberay.names import beside, labels, metadata
from daybreak.extras.export.kuberay.nodes import DASHBOARD_METRICS, DASHBOARD_METRICS_PORT, METRICS_PORT, RAY_NODE
from daybreak.extras.export.observe import BOARDS, board
from daybreak.extras.export.parts import duration
from daybreak.extras.export.text import dumped
from daybreak.spec.model import Spec

FOLDER = "monitoring"
METRICS = "ray-metrics"
# By this label Grafana's side-car knows a board.
BOARD_LABEL = {"grafana_dashboard": "1"}


def files(spec: Spec) -> list[File]:
    """A kustomization of their own: not every cluster knows ServiceMonitors. None where nobody is to watch."""
    if not spec.prometheus.enabled:
        return []
    kustomization: dict[str, Any] = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": ["monitors.yaml"],
    }
    boards: list[File] = []
    if spec.grafana.enabled:
        boards = [File(f"{FOLDER}/{name}", board(name)) for name in BOARDS]
        name = beside(spec, "dashboards")
        kustomization["configMapGenerator"] = [
            {"name": name, "files": list(BOARDS), "options": {"disableNameSuffixHash": True, "labels": BOARD_LABEL}}
        ]
    monitors = "---\n".join(map(dumped, (_service(spec), _monitor(spec))))
    return [
        File(f"{FOLDER}/kustomization.yaml", dumped(kustomization)),
        File(f"{FOLDER}/monitors.yaml", monitors),
        *boards,
    ]


def _service(spec: Spec) -> dict[str, Any]:
    """Every node's metrics, and the dashboard's, which only the head has a port of this name for."""
    ports = [
        {"name": "metrics", "port": METRICS_PORT, "targetPort": "metrics"},
        {"name": DASHBOARD_METRICS, "port": DASHBOARD_METRICS_PORT, "targetPort": DASHBOARD_METRICS},
    ]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(spec, beside(spec, METRICS), METRICS),
        # Pods without replicas are not ready, and measured all the same.
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": labels(spec, RAY_NODE),
            "ports": ports,
        },
    }


def _monitor(spec: Spec) -> dict[str, Any]:
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": metadata(spec, beside(spec, METRICS), METRICS),
        "spec": {
            "selector": {"matchLabels": labels(spec, METRICS)},
            "endpoints": [
                _endpoint(spec, "metrics", "node"),
                _endpoint(spec, DASHBOARD_METRICS, "dashboard"),
            ],
        },
    }


def _endpoint(spec: Spec, port: str, component: str) -> dict[str, Any]:
    """With the labels by which the boards know nodes."""
    relabelings = [
        {"targetLabel": "cluster", "replacement": spec.name},
        {"targetLabel": "component", "replacement": component},
        {"sourceLabels": ["__meta_kubernetes_pod_name"], "targetLabel": "node"},
    ]
    return {"port": port, "interval": duration(spec.prometheus.interval), "relabelings": relabelings}
