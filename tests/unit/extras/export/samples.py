"""Specs and targets for these tests."""

from __future__ import annotations

from typing import Any

import yaml

from daybreak.extras.export.compose import compose
from daybreak.extras.export.files import Export
from daybreak.extras.export.target import Target
from daybreak.services.site import RayInstall
from daybreak.spec import Spec

RAY = RayInstall("2.60.0", "/opt/ray/bin/python", "", haproxy="/opt/ray/haproxy")
OLD_RAY = RayInstall("2.20.0", "/opt/ray/bin/python", "")
TARGET = Target("daybreak/shop:latest", RAY)
EVERYTHING: dict[str, Any] = {
    "name": "shop",
    "head": {"cpus": 2, "memory": "2GiB", "object_store": "512MiB", "env": {"PRICE": "5$"}},
    "workers": {"count": 3, "gpus": 1, "cpus": "500m", "resources": {"camera": 1}, "labels": {"zone": "left"}},
    "serve": {"applications": [{"import": "app:main", "args": {"greeting": "hello"}}], "health": "/health"},
    "databases": {
        "postgres": {"port": 15432, "settings": {"max_connections": 200, "log_statement": "all"}},
        "redis": {"settings": {"maxmemory": "256mb"}},
    },
    "services": {
        "api": {
            "command": ["python", "-m", "http.server", "9100"],
            "cwd": "web",
            "needs": ["postgres", "serve"],
            "ports": [9100],
            "check": {"http": "http://127.0.0.1:9100/"},
            "restart": "on-failure",
        },
        "queue": {"command": ["python", "queue.py"], "tier": "data"},
    },
}


def exported(given: dict[str, Any] | None = None, target: Target = TARGET) -> Export:
    return compose(Spec.model_validate({"name": "shop", **(given or {})}), target)


def texts(export: Export) -> dict[str, str]:
    return {file.path: file.text for file in export.files}


def document(given: dict[str, Any] | None = None, target: Target = TARGET) -> dict[str, Any]:
    """The compose file as other programs read it."""
    found: dict[str, Any] = yaml.safe_load(texts(exported(given, target))["compose.yaml"])
    return found


def services(given: dict[str, Any] | None = None, target: Target = TARGET) -> dict[str, Any]:
    found: dict[str, Any] = document(given, target)["services"]
    return found
