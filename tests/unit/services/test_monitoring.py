"""Prometheus as a service: loopback only, tokens by file, what it reads and where."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from daybreak.services.base import Service, Tier
from daybreak.services.build import build
from daybreak.services.monitoring import prometheus
from daybreak.services.site import RayInstall, Site
from daybreak.spec.model import Spec

SITE = Site(
    base="/work/shop",
    root="/state/shop",
    runtime="/tmp/daybreak-0/0123abcd",
    logs="/state/shop/logs",
    data="/state/shop/data",
    secrets_folder="/state/shop/secrets",
    ray=RayInstall("2.60.0", "/venv/bin/python", "/venv/bin/ray"),
    node_ip="127.0.0.2",
    secrets={"page-token": "secret"},
    prometheus="/usr/bin/prometheus",
)


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
    assert discovery["authorization"] == {"credentials_file": "/state/shop/secrets/page-token"}


def test_no_secret_is_written_into_it() -> None:
    service = prometheus(spec(), SITE)
    assert "secret\"" not in "".join(file.text for file in service.files)
    assert not any("secret" in argument for argument in service.argv)


def test_a_restart_leaves_it_alone_and_its_failure_fails_nothing() -> None:
    service = prometheus(spec(), SITE)
    assert service.tier is Tier.OBSERVE
    assert service.optional
    assert not service.bound_to()


def test_retention() -> None:
    assert "--storage.tsdb.retention.time=2d" in prometheus(spec(prometheus={"retention": "2d"}), SITE).argv


def test_without_the_program_there_is_no_service() -> None:
    bare = replace(SITE, prometheus="", ports=Anything())
    full = replace(SITE, ports=Anything())
    wanted = spec(warm=False)
    assert "prometheus" not in [service.name for service in build(wanted, bare)]
    assert "prometheus" in [service.name for service in build(wanted, full)]


class Anything(dict[str, int]):
    """Some port for every purpose."""

    def __missing__(self, key: str) -> int:
        return 20000
