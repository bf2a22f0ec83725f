"""Prometheus and Grafana in containers, for Ray's own metrics: what daybreak's keeper measures is not there. Pure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from daybreak.extras.export import environment
from daybreak.extras.export.files import File
from daybreak.extras.export.parts import Part, common, duration, healthcheck, published
from daybreak.extras.export.target import SECRETS, Target, site_inside
from daybreak.names import HEAD
from daybreak.services.service import Tier
from daybreak.services.watching.processes import DASHBOARDS, GRAFANA, GRAFANA_USER, PROMETHEUS, SOURCE_NAME
from daybreak.spec.groups import by_group
from daybreak.spec.model import Spec

# Those that count on Ray's metrics; the others show what the keeper tells.
BOARDS = ("daybreak-serve.json", "daybreak-nodes.json")
PROVISIONING = "/etc/grafana/provisioning"
BOARDS_FOLDER = "/var/lib/grafana-dashboards"


def parts(spec: Spec, target: Target) -> list[Part]:
    """Both, or Prometheus alone, or none."""
    if not spec.prometheus.enabled:
        return []
    return [_prometheus(spec, target), *([_grafana(spec, target)] if spec.grafana.enabled else [])]


def files(spec: Spec, target: Target) -> list[File]:
    if not spec.prometheus.enabled:
        return []
    found = [_json("config/prometheus.yml", _scraping(spec, target))]
    if spec.grafana.enabled:
        source = {
            "name": SOURCE_NAME,
            "uid": "daybreak",
            "type": "prometheus",
            "url": f"http://{PROMETHEUS}:9090",
            "access": "proxy",
            "isDefault": True,
            "jsonData": {"timeInterval": duration(spec.prometheus.interval)},
        }
        provider = {"name": "daybreak", "folder": "daybreak", "type": "file", "options": {"path": BOARDS_FOLDER}}
        found += [
            _json("config/grafana/datasources/daybreak.yaml", {"apiVersion": 1, "datasources": [source]}),
            _json("config/grafana/dashboards/daybreak.yaml", {"apiVersion": 1, "providers": [provider]}),
        ]
        found += [File(f"config/grafana/boards/{name}", board(name)) for name in BOARDS]
    return found


def board(name: str) -> str:
    return Path(DASHBOARDS / name).read_text(encoding="utf-8")


def _prometheus(spec: Spec, target: Target) -> Part:
    body = {
        "image": spec.prometheus.image,
        "command": [
            "--config.file=/etc/prometheus/prometheus.yml",
            "--storage.tsdb.path=/prometheus",
            f"--storage.tsdb.retention.time={spec.prometheus.retention}",
            "--log.level=warn",
        ],
        "volumes": [f"{PROMETHEUS}:/prometheus", "./config/prometheus.yml:/etc/prometheus/prometheus.yml:ro"],
        "healthcheck": _answers(spec, target, "http://127.0.0.1:9090/-/ready"),
        # It has no login.
        "ports": [published("127.0.0.1", spec.port("prometheus"), 9090)],
        "stop_grace_period": "30s",
        **common(spec, Tier.OBSERVE),
    }
    return Part(
        PROMETHEUS, "Ray's metrics of all nodes. Not started by default: `docker compose --profile observe up`.", body
    )


def _grafana(spec: Spec, target: Target) -> Part:
    body = {
        "image": spec.grafana.image,
        # Who may read its password.
        "user": environment.user(target.user),
        "environment": {
            "GF_SECURITY_ADMIN_USER": GRAFANA_USER,
            "GF_SECURITY_ADMIN_PASSWORD__FILE": f"{SECRETS}/{GRAFANA}",
            "GF_USERS_ALLOW_SIGN_UP": "false",
            "GF_ANALYTICS_REPORTING_ENABLED": "false",
            "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        },
        "secrets": [GRAFANA],
        "volumes": [
            f"{GRAFANA}:/var/lib/grafana",
            f"./config/grafana/datasources:{PROVISIONING}/datasources:ro",
            f"./config/grafana/dashboards:{PROVISIONING}/dashboards:ro",
            f"./config/grafana/boards:{BOARDS_FOLDER}:ro",
        ],
        "healthcheck": _answers(spec, target, "http://127.0.0.1:3000/api/health"),
        "depends_on": {PROMETHEUS: {"condition": "service_healthy"}},
        "ports": [published("127.0.0.1", spec.port("grafana"), 3000)],
        **common(spec, Tier.OBSERVE),
    }
    return Part(GRAFANA, f"Its user is {GRAFANA_USER}, its password in secrets/{GRAFANA}.", body)


def _answers(spec: Spec, target: Target, url: str) -> dict[str, Any]:
    return healthcheck(spec.health, ["CMD", "wget", "-q", "--spider", url], start_interval=target.start_interval)


def _scraping(spec: Spec, target: Target) -> dict[str, Any]:
    """The workers are found by their service's name, which has every container's address."""
    ports = site_inside(spec, target).ports
    interval = duration(spec.prometheus.interval)
    heads: list[dict[str, Any]] = [
        {"targets": [f"{HEAD}:{ports['head.metrics']}"], "labels": _labels(spec, HEAD, "node")}
    ]
    if spec.dashboard:
        target_ = f"{HEAD}:{ports['head.dashboard_metrics']}"
        heads.append({"targets": [target_], "labels": _labels(spec, HEAD, "dashboard")})
    workers = {
        "names": list(by_group(spec.workers)),
        "type": "A",
        "port": ports["head.metrics"],
        "refresh_interval": "5s",
    }
    relabel: list[dict[str, Any]] = [
        {"target_label": name, "replacement": value} for name, value in _labels(spec, "", "node").items() if value
    ]
    relabel.append({"source_labels": ["__address__"], "regex": "(.*):.*", "target_label": "node"})
    return {
        "global": {
            "scrape_interval": interval,
            "scrape_timeout": duration(min(10.0, spec.prometheus.interval)),
            "evaluation_interval": interval,
        },
        "scrape_configs": [
            {"job_name": "ray-head", "static_configs": heads},
            {"job_name": "ray-workers", "dns_sd_configs": [workers], "relabel_configs": relabel},
        ],
    }


def _labels(spec: Spec, node: str, component: str) -> dict[str, str]:
    """As the boards know them."""
    return {"cluster": spec.name, "node": node, "component": component}


def _json(path: str, content: dict[str, Any]) -> File:
    """JSON is YAML, too."""
    return File(path, json.dumps(content, indent=1) + "\n")
