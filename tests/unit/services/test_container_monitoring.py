"""Prometheus and Grafana from their official images, as values."""

from __future__ import annotations

import configparser
import json
from dataclasses import replace
from typing import Any

import pytest

from daybreak.services.build import build
from daybreak.services.service import MountKind, Service
from daybreak.services.site import Image
from daybreak.services.watching.containers import GRAFANA_SERVER, PROMETHEUS_PROGRAM
from tests.unit.services.engine import site, spec

PASSWORD = "/run/daybreak/secrets/grafana"  # noqa: S105 - its place
IMAGES = {
    "prometheus": Image("prom/prometheus:v3.5.0", "sha256:2", 65534),
    "grafana": Image("grafana/grafana:12.2.0", "sha256:3", 472),
}


@pytest.fixture(params=["", "1001:1001"], ids=["as root", "as a user"])
def user(request: pytest.FixtureRequest) -> str:
    """Whom Ray's containers run as: the image's own account, or the cluster's owner."""
    return str(request.param)


def built(user: str = "", images: dict[str, Image] = IMAGES) -> dict[str, Service]:
    wanted = spec()
    uid = int(user.partition(":")[0] or 1000)
    found = replace(
        site(wanted, images=images, user=user, uid=uid),
        prometheus=PROMETHEUS_PROGRAM if "prometheus" in images else "/usr/bin/prometheus",
        grafana=GRAFANA_SERVER,
    )
    return {service.name: service for service in build(wanted, found)}


def text(service: Service, path: str) -> str:
    return next(file.text for file in service.files if file.path == path)


def container(service: Service) -> Any:
    assert service.container is not None
    return service.container


def test_prometheus_reads_the_page_over_the_machines_network_and_keeps_what_it_measured() -> None:
    service = built()["prometheus"]
    made = container(service)
    assert (made.image, made.network, made.uid) == ("prom/prometheus:v3.5.0", None, 65534)
    assert [(mount.kind, mount.source, mount.target) for mount in made.mounts] == [
        (MountKind.VOLUME, "daybreak-shop-prometheus", "/prometheus")
    ]
    assert service.argv[0] == "/bin/prometheus"
    assert "--storage.tsdb.path=/prometheus" in service.argv
    assert "--web.listen-address=127.0.0.1:9090" in service.argv
    read = json.loads(text(service, "/run/daybreak/config/prometheus.yml"))
    assert "authorization" not in str(read["scrape_configs"])
    assert made.secrets == {}
    assert read["rule_files"] == ["/run/daybreak/config/alerts.yml"]


def test_grafana_finds_everything_inside_and_may_read_what_the_head_writes(user: str) -> None:
    service = built(user)["grafana"]
    made = container(service)
    assert (made.user, made.uid) == ((user, 1001) if user else ("", 472))
    settings = configparser.ConfigParser(interpolation=None)
    settings.read_string(text(service, "/run/daybreak/config/grafana/grafana.ini"))
    # The image's variables count for more than the file.
    assert service.env["GF_PATHS_PROVISIONING"] == settings["paths"]["provisioning"] == "/run/daybreak/config/grafana"
    assert settings["security"]["admin_password"] == "$__file{/run/daybreak/secrets/grafana}"  # noqa: S105 - its place
    boards = json.loads(text(service, "/run/daybreak/config/grafana/dashboards/daybreak.yaml"))
    places = [provider["options"]["path"] for provider in boards["providers"]]
    seen = {mount.target: mount for mount in made.mounts}
    assert places[0] in seen
    assert seen[places[0]].source.endswith("services/watching/dashboards")
    rays = "/tmp/daybreak-0/0123abcd/head"
    assert places[1].startswith(f"{rays}/")
    assert seen[rays].read_only
    assert settings["dashboards"]["default_home_dashboard_path"].startswith(f"{places[0]}/")


def test_without_its_image_a_program_of_the_machine_watches() -> None:
    services = built(images={})
    assert services["prometheus"].container is None
    assert services["prometheus"].argv[0] == "/usr/bin/prometheus"


def test_a_restart_leaves_both_alone() -> None:
    assert {built()[name].tier for name in IMAGES} == {"observe"}
