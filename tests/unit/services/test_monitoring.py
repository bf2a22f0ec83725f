"""Prometheus and Grafana as services: loopback only, tokens by file, what they read and where."""

from __future__ import annotations

import configparser
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daybreak.services.build import build
from daybreak.services.ray.nodes import head
from daybreak.services.service import Service, Tier
from daybreak.services.site import GrafanaServer
from daybreak.services.watching.processes import grafana, prometheus
from daybreak.spec.model import Spec
from tests.unit.services.shop import shop

SITE = shop(
    node_ip="127.0.0.2",
    secrets={"page-token": "secret"},
    prometheus="/usr/bin/prometheus",
)


WITH_GRAFANA = replace(SITE, grafana=GrafanaServer(("/usr/sbin/grafana", "server"), "/usr/share/grafana"))


def spec(**rest: Any) -> Spec:
    return Spec.model_validate({"name": "shop", **rest})


def configuration(service: Service) -> dict[str, Any]:
    text = next(file.text for file in service.files if file.path.endswith("prometheus.yml"))
    found: dict[str, Any] = json.loads(text)
    return found


def test_it_listens_on_loopback_whatever_the_spec_says() -> None:
    service = prometheus(spec(listen="0.0.0.0"), SITE)
    assert "--web.listen-address=127.0.0.1:9090" in service.argv
    assert [claim.host for claim in service.ports] == ["127.0.0.1"]
    assert configuration(service)["scrape_configs"][0]["static_configs"][0]["targets"] == ["127.0.0.1:8080"]


def test_the_ports_move_with_the_offset() -> None:
    service = prometheus(spec(ports={"offset": 100, "prometheus": 9200}), SITE)
    assert service.urls == {"prometheus": "http://127.0.0.1:9300"}
    assert configuration(service)["scrape_configs"][0]["static_configs"][0]["targets"] == ["127.0.0.1:8180"]


def test_the_page_is_read_where_it_listens() -> None:
    found = configuration(prometheus(spec(listen="192.0.2.7"), SITE))
    discovery = found["scrape_configs"][1]["http_sd_configs"][0]
    assert discovery["url"] == "http://192.0.2.7:8080/sd/ray"
    assert discovery["authorization"] == {"credentials_file": "/state/shop/secrets/scrape-token"}


@pytest.mark.parametrize("listen", ["127.0.0.1", "localhost", "::1", "192.0.2.7"])
def test_the_pages_own_token_is_sent_nowhere_and_none_to_a_port_that_anybody_may_take(listen: str) -> None:
    text = "".join(file.text for file in prometheus(spec(listen=listen), SITE).files)
    assert "page-token" not in text
    assert ("credentials_file" in text) == (listen == "192.0.2.7")


def test_no_secret_is_written_into_it() -> None:
    service = prometheus(spec(), SITE)
    assert 'secret"' not in "".join(file.text for file in service.files)
    assert not any("secret" in argument for argument in service.argv)


def test_a_restart_leaves_it_alone_and_its_failure_fails_nothing() -> None:
    service = prometheus(spec(), SITE)
    assert service.tier is Tier.OBSERVE
    assert service.optional
    assert not service.bound_to()


def test_retention() -> None:
    assert "--storage.tsdb.retention.time=2d" in prometheus(spec(prometheus={"retention": "2d"}), SITE).argv


def test_how_often_it_looks_and_how_long_it_waits() -> None:
    service = prometheus(spec(prometheus={"interval": "500ms", "alert_after": "2m"}), SITE)
    found = configuration(service)["global"]
    assert found == {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"}
    alerts = json.loads(next(file.text for file in service.files if file.path.endswith("alerts.yml")))
    assert {rule["for"] for rule in alerts["groups"][0]["rules"]} == {"0s", "120s", "5m"}


def test_without_the_program_there_is_no_service() -> None:
    bare = replace(SITE, prometheus="", ports=Anything())
    full = replace(SITE, ports=Anything())
    wanted = spec(warm=False)
    assert "prometheus" not in [service.name for service in build(wanted, bare)]
    assert "prometheus" in [service.name for service in build(wanted, full)]


def ini(service: Service) -> configparser.ConfigParser:
    parsed = configparser.ConfigParser(interpolation=None)
    parsed.read_string(next(file.text for file in service.files if file.path.endswith("grafana.ini")))
    return parsed


def provisioned(service: Service, folder: str) -> Any:
    return json.loads(next(file.text for file in service.files if f"/{folder}/" in file.path))


def test_grafana_has_a_login_of_its_own_and_is_not_open() -> None:
    settings = ini(grafana(spec(listen="0.0.0.0"), WITH_GRAFANA))
    assert settings["server"]["http_addr"] == "127.0.0.1"
    assert settings["security"]["admin_user"] == "daybreak"
    assert settings["security"]["admin_password"].startswith("$__file{/state/shop/secrets/")
    assert "auth.anonymous" not in settings


def test_grafana_finds_prometheus_our_dashboards_and_rays() -> None:
    service = grafana(spec(ports={"offset": 10}), WITH_GRAFANA)
    (source,) = provisioned(service, "datasources")["datasources"]
    assert source["url"] == "http://127.0.0.1:9100"
    paths = [provider["options"]["path"] for provider in provisioned(service, "dashboards")["providers"]]
    assert Path(paths[0]).is_dir()
    assert paths[1] == "/tmp/daybreak-0/0123abcd/head/session_latest/metrics/grafana/dashboards"
    assert service.argv[:2] == ("/usr/sbin/grafana", "server")


def test_rays_dashboard_is_told_of_grafana_only_where_there_is_one() -> None:
    wanted = spec(warm=True)
    told = head(wanted, replace(WITH_GRAFANA, ports=Anything()))
    assert told.env["RAY_GRAFANA_HOST"] == "http://127.0.0.1:3000"
    assert told.env["RAY_PROMETHEUS_HOST"] == "http://127.0.0.1:9090"
    assert "MetricsHead" in " ".join(told.argv)
    plain = head(wanted, replace(SITE, ports=Anything()))
    assert "RAY_GRAFANA_HOST" not in plain.env
    assert "MetricsHead" not in " ".join(plain.argv)


class Anything(dict[str, int]):
    """Some port for every purpose."""

    def __missing__(self, key: str) -> int:
        return 20000
