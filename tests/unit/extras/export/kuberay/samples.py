"""Specs and targets for these tests."""

from __future__ import annotations

from typing import Any

import yaml

from daybreak.extras.export.files import Export
from daybreak.extras.export.kuberay.manifests import Wishes, kuberay
from daybreak.extras.export.target import Target
from daybreak.spec import Spec
from tests.unit.extras.export.samples import EVERYTHING as COMMON
from tests.unit.extras.export.samples import RAY

TARGET = Target("registry.example.com/shop:1", RAY, local=False, prefix="shop-", head="shop-head-svc")
EVERYTHING: dict[str, Any] = {
    **COMMON,
    "backend": "docker",
    "ray": {"state": "rocksdb"},
    "databases": {**COMMON["databases"], "mysql": {}, "neo4j": {"memory": "1GiB", "cpus": 1}},
    "env_file": ["common.env"],
    "secrets": {"key": {"file": "keys/api"}, "hook": {"environment": "HOOK_URL"}},
    "services": {
        **COMMON["services"],
        "migrate": {"command": ["python", "migrate.py"], "run": "once", "needs": ["postgres"]},
        "nightly": {
            "command": ["python", "report.py"],
            "schedule": {"cron": "0 3 * * *", "timezone": "Europe/Berlin"},
            "secrets": ["key", {"name": "hook", "env": "HOOK"}],
            "env_file": [{"path": "./Night.env", "required": False}],
        },
        "files": {"command": ["python", "files.py"], "tier": "data", "volumes": ["store:/data"]},
        "broker": {"image": "rabbitmq:4", "ports": [5672], "check": {"tcp": 5672}, "memory": "512MiB"},
        "once": {"command": ["python", "once.py", "$(HOME)"], "restart": "never"},
    },
}
SERVICE = {"serve": {"applications": [{"import": "app:main"}]}}
EVERYTHING["serve"] = {**COMMON["serve"], "secrets": ["key"]}
Object = dict[str, Any]


def exported(given: dict[str, Any] | None = None, target: Target = TARGET, wishes: Wishes | None = None) -> Export:
    return kuberay(Spec.model_validate({"name": "shop", **(given or {})}), target, wishes or Wishes())


def texts(export: Export) -> dict[str, str]:
    return {file.path: file.text for file in export.files}


def objects(export: Export, *folders: str) -> list[Object]:
    """Every object of the manifests."""
    found = []
    for path, text in texts(export).items():
        if path.endswith(".yaml") and not path.endswith("kustomization.yaml"):
            found += list(yaml.safe_load_all(text))
    return found


def one(export: Export, kind: str, name: str = "shop") -> Object:
    """The object of this kind and name."""
    return next(each for each in objects(export) if (each["kind"], each["metadata"]["name"]) == (kind, name))


def variables(container: Object) -> dict[str, str]:
    """Those that have a plain value; of others the Secret and the key."""
    found = {}
    for each in container["env"]:
        held = each.get("valueFrom", {}).get("secretKeyRef", {})
        found[each["name"]] = each.get("value", f"{held.get('name')}/{held.get('key')}")
    return found
