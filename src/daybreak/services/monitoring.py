"""The observe tier: Prometheus, which a restart of the app tier leaves alone. Pure."""

from __future__ import annotations

import json
from typing import Any

from daybreak.services.alerts import rules
from daybreak.services.base import ConfigFile, Gate, HttpCheck, Need, PortClaim, Service, StopPolicy, Tier
from daybreak.services.ray import HEAD, SERVE, health, reachable
from daybreak.services.site import Site
from daybreak.spec.model import Spec

PROMETHEUS = "prometheus"
PAGE_TOKEN = "page-token"  # noqa: S105 - the name of its file
LOOPBACK = "127.0.0.1"
INTERVAL = "15s"
# Nodes come and go; Prometheus asks who is there this often.
DISCOVERY_INTERVAL = "5s"


def prometheus_url(spec: Spec) -> str:
    return f"http://{LOOPBACK}:{spec.port('prometheus')}"


def prometheus(spec: Spec, site: Site) -> Service:
    """The Prometheus of this machine, with our configuration. It has no login, so it listens on loopback alone."""
    config, alerts = f"{site.root}/config/prometheus.yml", f"{site.root}/config/alerts.yml"
    ready = HttpCheck(f"{prometheus_url(spec)}/-/ready")
    return Service(
        name=PROMETHEUS,
        tier=Tier.OBSERVE,
        argv=(
            site.prometheus,
            f"--config.file={config}",
            f"--storage.tsdb.path={site.data}/{PROMETHEUS}",
            f"--storage.tsdb.retention.time={spec.prometheus.retention}",
            f"--web.listen-address={LOOPBACK}:{spec.port('prometheus')}",
            "--log.level=warn",
        ),
        cwd=site.root,
        # What the first response needs comes first.
        needs=(Need(SERVE if spec.serve.wanted else HEAD, order_only=True),),
        gates=(Gate("ready", ready),),
        health=health(spec, ready),
        start_timeout_s=spec.start_timeout,
        stop=StopPolicy(grace_s=30.0),
        # What only watches must not keep the cluster from coming up.
        optional=True,
        ports=(PortClaim(LOOPBACK, spec.port("prometheus"), "Prometheus"),),
        # JSON is YAML.
        files=(
            ConfigFile(config, json.dumps(_configuration(spec, site, alerts), indent=1) + "\n"),
            ConfigFile(alerts, json.dumps(rules(), indent=1) + "\n"),
        ),
        urls={PROMETHEUS: prometheus_url(spec)},
    )


def _configuration(spec: Spec, site: Site, alerts: str) -> dict[str, Any]:
    page = f"{reachable(spec.listen)}:{spec.port('page')}"
    token = {"credentials_file": f"{site.secrets_folder}/{PAGE_TOKEN}"}
    discovery = {"url": f"http://{page}/sd/ray", "refresh_interval": DISCOVERY_INTERVAL, "authorization": token}
    return {
        "global": {"scrape_interval": INTERVAL, "evaluation_interval": INTERVAL},
        "rule_files": [alerts],
        "scrape_configs": [
            {
                "job_name": "daybreak",
                "static_configs": [{"targets": [page], "labels": {"cluster": spec.name}}],
                "authorization": token,
            },
            {"job_name": "ray", "http_sd_configs": [discovery]},
        ],
    }
