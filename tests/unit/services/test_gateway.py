"""The gateway as a service: which ports it has, what is behind it, and when there is none."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daybreak.machine.gateway import FoundGateway, find_gateway
from daybreak.services.build import build
from daybreak.services.edge.gateway import gateway, hindrance, routes_text
from daybreak.services.ray import addresses, environment, haproxy, serve
from daybreak.services.ray.nodes import head
from daybreak.services.ray.serve_config import serving
from daybreak.services.service import Service, Tier
from daybreak.services.site import Site
from daybreak.services.slots import Slot
from daybreak.spec.model import Spec
from tests.haproxy import PROGRAMS
from tests.unit.services import engine
from tests.unit.services.test_serving import APPS, RAY, site

GRPC = {"grpc_options": {"port": 9000, "grpc_servicer_functions": ["a.b"]}, "applications": APPS}
TLS = {"http_options": {"ssl_keyfile": "key.pem", "ssl_certfile": "cert.pem"}, "applications": APPS}


def by_config(**written: Any) -> Spec:
    return Spec.model_validate({"name": "shop", "serve": {"config": "serve.yaml"}, **written})


def by_import(**written: Any) -> Spec:
    apps = [{"import": "app:main"}, {"import": "api:main", "name": "api", "route": "/api"}]
    return Spec.model_validate({"name": "shop", "serve": {"applications": apps}, **written})


def with_gateway(config: dict[str, Any] | None = None, **rest: Any) -> Site:
    return replace(site(config), gateway="/bin/haproxy", **rest)


def only(found: tuple[Service, ...]) -> Service:
    (service,) = found
    return service


def test_it_has_the_public_port_and_serve_one_of_its_own_behind_it() -> None:
    place = with_gateway()
    service = only(gateway(by_import(), place))
    own = place.ports["head.serve_http"]
    assert service.tier is Tier.EDGE
    assert [(claim.host, claim.port) for claim in service.ports] == [("127.0.0.1", 8000), ("127.0.0.1", 8265)]
    assert [(claim.host, claim.port) for claim in serve.claims(by_import(), place)] == [("127.0.0.1", own)]
    assert addresses.serve_url(by_import(), place) == "http://127.0.0.1:8000"
    assert addresses.upstream_url(by_import(), place) == f"http://127.0.0.1:{own}"
    assert f"server a 127.0.0.1:{own} " in service.files[0].text
    assert "bind 127.0.0.1:8000\n" in service.files[0].text


def test_an_open_cluster_opens_the_gateway_and_leaves_serve_on_loopback() -> None:
    spec, place = by_config(listen="0.0.0.0"), with_gateway({"http_options": {"port": 8123}, "applications": APPS})
    assert "bind 0.0.0.0:8123\n" in only(gateway(spec, place)).files[0].text
    config = serving(spec, place).config
    assert config is not None
    assert config["http_options"] == {"port": place.ports["head.serve_http"], "host": "127.0.0.1"}


def test_a_cluster_without_applications_keeps_its_head_when_it_gets_some() -> None:
    before = head(by_import(serve={}, dashboard=False), with_gateway())
    apps = {"applications": [{"import": "app:main"}], "haproxy": False}
    after = head(by_import(serve=apps, dashboard=False), with_gateway())
    assert before.fingerprint() == after.fingerprint()


def test_the_dashboard_is_behind_it_too_and_whoever_belongs_to_the_cluster_asks_it_there() -> None:
    spec, place = by_import(listen="0.0.0.0"), with_gateway()
    own = place.ports["head.own_dashboard"]
    text, behind = only(gateway(spec, place)).files[0].text, head(spec, place)
    assert "bind 0.0.0.0:8265\n" in text
    assert "http-check send hdr User-Agent " in text  # without one Ray 2.20 answers 500
    assert f"server a 127.0.0.1:{own} " in text
    assert {f"--dashboard-port={own}", "--dashboard-host=127.0.0.1"} <= set(behind.argv)
    assert ("127.0.0.1", own) in [(claim.host, claim.port) for claim in behind.ports]
    assert 8265 not in [claim.port for claim in behind.ports]
    assert behind.urls["dashboard"] == "http://127.0.0.1:8265"
    assert addresses.dashboard_health_url(spec, place) == f"http://127.0.0.1:{own}/api/gcs_healthz"
    assert environment.client_env(spec, place)["RAY_DASHBOARD_ADDRESS"] == f"http://127.0.0.1:{own}"
    assert environment.shell_env(spec, place)["RAY_DASHBOARD_ADDRESS"] == "http://127.0.0.1:8265"


def test_without_a_gateway_the_dashboard_has_its_port_for_itself() -> None:
    alone = head(by_import(), site(None))
    assert {"--dashboard-port=8265", "--dashboard-host=127.0.0.1"} <= set(alone.argv)
    assert 8265 in [claim.port for claim in alone.ports]
    without = only(gateway(by_import(dashboard=False), with_gateway()))
    assert [claim.port for claim in without.ports] == [8000]
    assert "8265" not in without.files[0].text


def test_grpc_passes_through_it() -> None:
    place = with_gateway(GRPC)
    service = only(gateway(by_config(), place))
    own = place.ports["head.serve_grpc"]
    assert [claim.port for claim in service.ports] == [8000, 9000, 8265]
    assert f"server a 127.0.0.1:{own} proto h2" in service.files[0].text
    config = serving(by_config(), place).config
    assert config is not None
    assert config["grpc_options"] == {"port": own, "grpc_servicer_functions": ["a.b"]}


def test_nothing_of_a_generation_is_in_it_so_that_it_outlives_them() -> None:
    before = only(gateway(by_import(), with_gateway()))
    changed = by_import(serve={"applications": [{"import": "other:main", "route": "/other"}]}, workers={"count": 7})
    after = only(gateway(changed, with_gateway()))
    assert (before.needs, before.bound_to()) == ((), ())
    assert after.fingerprint() == before.fingerprint()


def test_it_is_the_same_in_whichever_slot_the_app_tier_is() -> None:
    first = with_gateway(GRPC)
    doors = ("head.serve_http", "head.serve_grpc", "head.own_dashboard")
    moved = {name: first.ports[f"b.{name}"] for name in doors} | {f"a.{name}": first.ports[name] for name in doors}
    second = replace(first, slot=Slot.B, ports={**first.ports, **moved})
    assert serving(by_config(), second).own_port == first.ports["b.head.serve_http"]
    assert only(gateway(by_config(), second)).fingerprint() == only(gateway(by_config(), first)).fingerprint()


def test_in_front_of_containers_it_knows_the_heads_of_both_slots_in_either() -> None:
    spec = engine.spec(serve={"applications": [{"import": "app:main"}]})
    first, second = (only(gateway(spec, replace(engine.site(spec, slot), gateway="/bin/haproxy"))) for slot in Slot)
    assert "server a 10.208.2.2:" in first.files[0].text
    assert "server b 10.208.3.254:" in first.files[0].text
    assert second.fingerprint() == first.fingerprint()


def test_a_head_that_had_serve_on_the_public_port_is_replaced() -> None:
    assert head(by_import(), site(None)).fingerprint() != head(by_import(), with_gateway()).fingerprint()


@pytest.mark.parametrize("config", [TLS, {"proxy_location": "Disabled", "applications": APPS}])
def test_without_a_plain_http_proxy_behind_it_there_is_none(config: dict[str, Any]) -> None:
    spec, place = by_config(), with_gateway(config)
    assert hindrance(spec, place)
    assert gateway(spec, place) == ()
    assert serving(spec, place).binds == ("127.0.0.1", 8000)


def test_there_is_none_without_applications_or_a_program() -> None:
    assert gateway(Spec.model_validate({"name": "shop"}), with_gateway()) == ()
    assert gateway(by_import(), site(None)) == ()


def test_in_front_of_containers_it_is_a_process_and_the_head_publishes_no_port_of_serves() -> None:
    spec = engine.spec(serve={"applications": [{"import": "app:main"}]}, workers={"count": 1})
    place = replace(engine.site(spec), gateway="/bin/haproxy")
    services = {service.name: service for service in build(spec, place)}
    own = place.ports["head.serve_http"]
    assert services["gateway"].container is None
    assert f"server a 10.208.2.2:{own} " in services["gateway"].files[0].text
    container = services["head"].container
    assert container
    assert not {8000, 8265} & {published.port for published in container.published}
    inside = place.ports["head.own_dashboard"]
    assert f"server a 10.208.2.2:{inside} " in services["gateway"].files[0].text
    assert f"--dashboard-port={inside}" in services["head"].files[0].text + " ".join(services["head"].argv)
    assert f'"port": {own}' in services["serve"].files[0].text


def test_the_routes_are_told_with_their_applications() -> None:
    assert routes_text(by_import(), with_gateway()) == "/ default\n/api api\n"


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("listen", ["127.0.0.1", "0.0.0.0", "::1", "localhost"])
@pytest.mark.parametrize("config", [None, GRPC])
def test_haproxy_takes_the_configuration(
    program: str, listen: str, config: dict[str, Any] | None, tmp_path: Path
) -> None:
    settings = {"rehearse": {"headers": ["accept", "cookie"]}} if listen == "::1" else {}
    spec = (by_config if config else by_import)(listen=listen, gateway=settings)
    place = replace(with_gateway(config), runtime=str(tmp_path), gateway=program)
    service = only(gateway(spec, place))
    (tmp_path / "gw").mkdir()
    for file in service.files:
        Path(file.path).write_text(file.text)
    done = subprocess.run([program, "-c", "-f", service.argv[-1]], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr


def test_only_what_the_gateway_tells_of_requests_makes_it_another_one() -> None:
    def made(**rehearse: Any) -> str:
        return only(gateway(by_import(gateway={"rehearse": rehearse}), with_gateway())).fingerprint()

    assert made(enabled=False) == only(gateway(by_import(), with_gateway())).fingerprint()
    assert made() == made(keep=7, skip=["/metrics"], size_percent=50, headers=["Accept"])
    assert len({made(enabled=False), made(), made(headers=["accept", "cookie"])}) == 3


def test_the_program_of_an_image_is_not_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The site has no engine yet when the program is looked for."""
    monkeypatch.setattr("daybreak.machine.gateway._own", lambda: "")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_gateway(by_import(), site(None)).program == RAY.haproxy
    assert "not installed" in find_gateway(by_import(backend="docker"), site(None)).absent["gateway"]


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_on_path_is_found_and_only_where_it_can_be_the_gateway(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daybreak.machine.gateway._own", lambda: "")
    monkeypatch.setenv("PATH", str(tmp_path))
    place = replace(site(None), ray=replace(RAY, haproxy=""))
    assert "not installed" in find_gateway(by_import(), place).absent["gateway"]
    old = tmp_path / "haproxy"
    old.write_text("#!/bin/sh\necho HAProxy version 1.8.0\n")
    old.chmod(0o755)
    assert "older than" in find_gateway(by_import(), place).absent["gateway"]
    old.unlink()
    old.symlink_to(program)
    assert find_gateway(by_import(), place).program == str(old)
    assert find_gateway(by_import(gateway=False), place) == FoundGateway()
    assert find_gateway(Spec.model_validate({"name": "a"}), place) == FoundGateway(str(old))
    assert "asks for TLS, and" in find_gateway(by_config(), replace(place, serve_config=TLS)).absent["gateway"]


@pytest.mark.parametrize("version", ["2.60.0", "2.20.0"])
def test_a_serve_configs_certificate_is_the_gateways_and_serve_behind_it_speaks_plain_http(version: str) -> None:
    ray = replace(RAY, version=version)
    spec, place = by_config(serve={"config": "serve.yaml", "health": "/health"}), with_gateway(TLS, tls="PEM", ray=ray)
    own = place.ports["head.serve_http"]
    service = only(gateway(spec, place))
    assert hindrance(spec, place) == ""
    assert f"bind 127.0.0.1:8000 ssl crt {place.runtime}/gw/tls.pem alpn h2,http/1.1\n" in service.files[0].text
    (kept,) = [file for file in service.files if file.text == "PEM"]
    assert (kept.path, kept.mode, kept.aside) == (f"{place.runtime}/gw/tls.pem", 0o600, True)
    assert addresses.serve_url(spec, place) == "https://127.0.0.1:8000"
    assert addresses.upstream_url(spec, place) == f"http://127.0.0.1:{own}"
    at = serving(spec, place)
    assert at.config
    assert at.config["http_options"] == {"host": "127.0.0.1", "port": own}
    assert not [note for note in at.notes if "TLS" in note]
    assert haproxy.wanted(spec, place) == (version == "2.60.0")


def test_the_specs_certificate_opens_https_and_another_one_replaces_no_gateway() -> None:
    spec = by_import(tls={"certificate": "cert.pem", "key": "key.pem"})
    place = with_gateway(tls="PEM")
    assert addresses.serve_url(spec, place) == "https://127.0.0.1:8000"
    service = only(gateway(spec, place))
    assert service.fingerprint() == only(gateway(spec, replace(place, tls="NEW"))).fingerprint()
    assert service.fingerprint() != only(gateway(by_import(), with_gateway())).fingerprint()
    assert "PEM" not in repr(service) + repr(place)
    assert f"{place.runtime}/gw/tls.pem" in only(gateway(by_import(), with_gateway())).discard
    by_file = by_config(tls={"certificate": "cert.pem", "key": "key.pem"})
    assert addresses.serve_url(by_file, with_gateway({"applications": APPS}, tls="PEM")).startswith("https:")
    # Without a gateway nobody speaks it.
    assert addresses.serve_url(spec, replace(place, gateway="")) == "http://127.0.0.1:8000"
