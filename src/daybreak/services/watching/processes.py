"""The observe tier: Prometheus and Grafana, which a restart of the app tier leaves alone. Pure.

Both are the machine's own programs, with our configuration. Their first start comes after the first response.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from daybreak.hosts import LOOPBACK, is_loopback, reachable
from daybreak.names import HEAD
from daybreak.services.container_site import program
from daybreak.services.health import policy
from daybreak.services.ray.addresses import grafana_url, prometheus_url
from daybreak.services.ray.serve_config import answering
from daybreak.services.service import ConfigFile, Gate, HttpCheck, Need, PortClaim, Service, StopPolicy, Tier
from daybreak.services.site import Site
from daybreak.services.watching.alerts import rules
from daybreak.spec.model import Spec

PROMETHEUS = "prometheus"
GRAFANA = "grafana"
GRAFANA_USER = "daybreak"
PAGE_TOKEN, SCRAPE_TOKEN = "page-token", "scrape-token"
# What Ray's own dashboards call their source unless they are told otherwise.
SOURCE_NAME = "Prometheus"
# Nodes come and go; Prometheus asks who is there this often.
DISCOVERY_INTERVAL = "5s"
# In daybreak's package.
BOARDS = "services/watching/dashboards"
DASHBOARDS = Path(__file__).parent / "dashboards"


def prometheus(spec: Spec, site: Site) -> Service:
    """It has no login, so it listens on loopback alone."""
    config, alerts = f"{site.root}/config/prometheus.yml", f"{site.root}/config/alerts.yml"
    url = prometheus_url(spec)
    return replace(
        _watching(spec, site, PROMETHEUS, url, HttpCheck(f"{url}/-/ready")),
        argv=(
            site.prometheus,
            f"--config.file={config}",
            f"--storage.tsdb.path={site.data}/{PROMETHEUS}",
            f"--storage.tsdb.retention.time={spec.prometheus.retention}",
            f"--web.listen-address={LOOPBACK}:{spec.port('prometheus')}",
            "--log.level=warn",
        ),
        ports=(PortClaim(LOOPBACK, spec.port("prometheus"), "Prometheus"),),
        files=(
            _json(config, _scraping(spec, site, alerts)),
            _json(alerts, rules(_duration(spec.prometheus.alert_after))),
        ),
    )


def grafana(spec: Spec, site: Site) -> Service:
    """Its user is `daybreak`, its password generated. Requires `site.grafana`."""
    assert site.grafana
    folder = config_folder(site)
    config, sources, boards = f"{folder}/grafana.ini", f"{folder}/datasources", f"{folder}/dashboards"
    url = grafana_url(spec)
    return replace(
        _watching(spec, site, GRAFANA, url, HttpCheck(f"{url}/api/health", contains="ok")),
        argv=(*site.grafana.command, f"--homepath={site.grafana.home}", f"--config={config}"),
        ports=(PortClaim(LOOPBACK, spec.port("grafana"), "Grafana"),),
        files=(
            ConfigFile(config, _ini(_settings(spec, site, folder))),
            _json(f"{sources}/daybreak.yaml", _source(spec)),
            _json(f"{boards}/daybreak.yaml", _boards(site)),
        ),
        folders=(sources, boards, f"{folder}/plugins", f"{folder}/alerting"),
    )


def config_folder(site: Site) -> str:
    """Where Grafana finds its configuration."""
    return f"{site.root}/config/{GRAFANA}"


def _watching(spec: Spec, site: Site, name: str, url: str, ready: HttpCheck) -> Service:
    """What every service of this tier has in common; the command is still missing."""
    return Service(
        name=name,
        tier=Tier.OBSERVE,
        argv=(),
        cwd=site.root,
        needs=(Need(answering(spec), order_only=True),),
        gates=(Gate("ready", ready),),
        health=policy(spec, ready),
        start_timeout_s=spec.start_timeout,
        stop=StopPolicy(grace_s=30.0),
        # What only watches must not keep the cluster from coming up.
        optional=True,
        urls={name: url},
    )


def _scraping(spec: Spec, site: Site, alerts: str) -> dict[str, Any]:
    page = f"{reachable(spec.listen)}:{spec.port('page')}"
    discovery: dict[str, Any] = {"url": f"http://{page}/sd/ray", "refresh_interval": DISCOVERY_INTERVAL}
    if needs_token(spec):
        discovery["authorization"] = {"credentials_file": f"{site.secrets_folder}/{SCRAPE_TOKEN}"}
    interval = _duration(spec.prometheus.interval)
    # It must not be longer than the interval.
    timeout = _duration(min(10.0, spec.prometheus.interval))
    return {
        "global": {"scrape_interval": interval, "scrape_timeout": timeout, "evaluation_interval": interval},
        "rule_files": [alerts],
        "scrape_configs": [
            {
                "job_name": "daybreak",
                "static_configs": [{"targets": [page], "labels": {"cluster": spec.name}}],
            },
            {"job_name": "ray", "http_sd_configs": [discovery]},
        ],
    }


def needs_token(spec: Spec) -> bool:
    """Whether the page asks for a token when Prometheus looks for endpoints.

    On a loopback address it does not, and nothing is sent: while there is no keeper anybody may listen at its port.
    """
    return not is_loopback(spec.listen)


def _settings(spec: Spec, site: Site, folder: str) -> dict[str, dict[str, str]]:
    return {
        "server": {"http_addr": LOOPBACK, "http_port": str(spec.port("grafana"))},
        "paths": {
            "data": f"{site.data}/{GRAFANA}",
            "logs": f"{site.data}/{GRAFANA}/logs",
            "plugins": f"{site.data}/{GRAFANA}/plugins",
            "provisioning": folder,
        },
        "security": {
            "admin_user": GRAFANA_USER,
            "admin_password": f"$__file{{{site.secrets_folder}/{GRAFANA}}}",
            # Ray's dashboard shows charts in frames. A login counts there, too: both are on this machine.
            "allow_embedding": "true",
            "cookie_samesite": "lax",
        },
        "users": {"allow_sign_up": "false"},
        "analytics": {"reporting_enabled": "false", "check_for_updates": "false", "check_for_plugin_updates": "false"},
        "dashboards": {"default_home_dashboard_path": f"{program(site, BOARDS)}/daybreak-cluster.json"},
        "log": {"mode": "console", "level": "warn"},
    }


def _source(spec: Spec) -> dict[str, Any]:
    source = {
        "name": SOURCE_NAME,
        "uid": "daybreak",
        "type": "prometheus",
        "url": prometheus_url(spec),
        "access": "proxy",
        "isDefault": True,
        "jsonData": {"timeInterval": _duration(spec.prometheus.interval)},
    }
    return {"apiVersion": 1, "datasources": [source]}


def _boards(site: Site) -> dict[str, Any]:
    """Ours, and those that Ray writes for its own dashboard at every start."""
    rays = f"{site.runtime}/{HEAD}/session_latest/metrics/grafana/dashboards"
    providers = [
        {"name": name, "folder": name, "type": "file", "options": {"path": path}, "updateIntervalSeconds": 10}
        for name, path in (("daybreak", program(site, BOARDS)), ("Ray", rays))
    ]
    return {"apiVersion": 1, "providers": providers}


def _duration(value_s: float) -> str:
    """As Prometheus reads it."""
    return f"{value_s:.0f}s" if value_s == int(value_s) else f"{1000 * value_s:.0f}ms"


def _ini(settings: dict[str, dict[str, str]]) -> str:
    sections = (
        "\n".join([f"[{name}]", *(f"{key} = {value}" for key, value in values.items())])
        for name, values in settings.items()
    )
    return "\n\n".join(sections) + "\n"


def _json(path: str, content: dict[str, Any]) -> ConfigFile:
    """JSON is YAML, too."""
    return ConfigFile(path, json.dumps(content, indent=1) + "\n")
