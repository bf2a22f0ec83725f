"""Finding Prometheus and Grafana: programs on PATH, files beside them, ports that are free for us."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from daybreak.machine.monitoring import find_monitoring
from daybreak.spec.model import Spec
from tests.helpers import free_port


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation with a Grafana beside its files; the only folder on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("prometheus", "grafana"):
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "defaults.ini").touch()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def spec(**rest: Any) -> Spec:
    ports = {"prometheus": free_port(), "grafana": free_port()}
    return Spec.model_validate({"name": "shop", "ports": ports, **rest})


def test_both_are_found(programs: Path, tmp_path: Path) -> None:
    found = find_monitoring(spec(), tmp_path)
    assert found.prometheus == str(programs / "prometheus")
    assert found.grafana is not None
    assert found.grafana.command == (str(programs / "grafana"), "server")
    assert found.grafana.home == str(tmp_path)
    assert found.absent == {}


def test_what_is_switched_off_is_not_missed(programs: Path, tmp_path: Path) -> None:
    assert find_monitoring(spec(prometheus=False), tmp_path).absent == {}
    found = find_monitoring(spec(grafana=False), tmp_path)
    assert (bool(found.prometheus), found.grafana, found.absent) == (True, None, {})


def test_without_prometheus_grafana_is_not_missed(programs: Path, tmp_path: Path) -> None:
    (programs / "prometheus").unlink()
    found = find_monitoring(spec(), tmp_path)
    assert found.grafana is None
    assert list(found.absent) == ["prometheus"]
    assert "not installed" in found.absent["prometheus"]


def test_without_the_page_there_is_nothing_to_read(programs: Path, tmp_path: Path) -> None:
    found = find_monitoring(spec(page=False), tmp_path)
    assert "page: false" in found.absent["prometheus"]


def test_a_port_that_somebody_has(programs: Path, tmp_path: Path) -> None:
    wanted = spec()
    with socket.create_server(("127.0.0.1", wanted.port("prometheus"))):
        found = find_monitoring(wanted, tmp_path)
    assert found.prometheus == ""
    assert f"port {wanted.port('prometheus')} is in use by " in found.absent["prometheus"]


def test_a_port_of_the_users_own_service(programs: Path, tmp_path: Path) -> None:
    port = free_port()
    services = {"mine": {"command": ["prometheus"], "ports": [port]}}
    wanted = Spec.model_validate({"name": "shop", "ports": {"prometheus": port}, "services": services})
    why = find_monitoring(wanted, tmp_path).absent["prometheus"]
    assert why == f"not started: port {port} is that of services.mine.ports[0]; choose another: ports.prometheus"


@pytest.mark.parametrize(
    ("written", "whose"),
    [
        ({"ports": {"serve": 9090}, "serve": {"applications": [{"import": "app:main"}]}}, "ports.serve"),
        ({"ports": {"dashboard": 9090}}, "ports.dashboard"),
        ({"ports": {"gcs": 8990, "offset": 100, "prometheus": 8990}}, "ports.gcs + ports.offset 100"),
        ({"databases": {"postgres": {"port": 9090}}}, "databases.postgres.port"),
    ],
)
def test_a_port_that_the_cluster_itself_needs(
    programs: Path, tmp_path: Path, written: dict[str, Any], whose: str
) -> None:
    """Its own server would be found there while it runs: the two would take the port in turns."""
    found = find_monitoring(Spec.model_validate({"name": "shop", **written}), tmp_path)
    assert found.prometheus == ""
    assert f"port 9090 is that of {whose}; " in found.absent["prometheus"]


def test_grafana_gives_way_to_prometheus_and_a_serve_config_has_ports_of_its_own(
    programs: Path, tmp_path: Path
) -> None:
    port = free_port()
    alike = Spec.model_validate({"name": "shop", "ports": {"prometheus": port, "grafana": port}})
    assert f"port {port} is that of ports.prometheus" in find_monitoring(alike, tmp_path).absent["grafana"]
    config = {"http_options": {"port": port}, "grpc_options": {"port": "wrong"}}
    found = find_monitoring(alike, tmp_path, serve_config=config)
    assert f"port {port} is that of http_options.port in serve.config" in found.absent["prometheus"]


def test_a_grafana_without_its_files_is_none(programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "conf" / "defaults.ini").unlink()
    monkeypatch.setattr("daybreak.machine.monitoring.GRAFANA_HOMES", ())
    found = find_monitoring(spec(), tmp_path)
    assert found.grafana is None
    assert "not installed" in found.absent["grafana"]


def test_an_image_goes_before_a_program(programs: Path, tmp_path: Path) -> None:
    found = find_monitoring(spec(), tmp_path, images={"prometheus"})
    assert found.prometheus == "/bin/prometheus"
    assert found.grafana is not None
    assert found.grafana.home == str(tmp_path)


def test_without_image_and_program_both_ways_are_told(programs: Path, tmp_path: Path) -> None:
    (programs / "prometheus").unlink()
    why = find_monitoring(spec(), tmp_path, images=()).absent["prometheus"]
    assert "no image prom/prometheus:v3.5.0: `daybreak prewarm` pulls it" in why
    assert "Debian" in why


def test_its_own_container_is_not_in_its_way(programs: Path, tmp_path: Path) -> None:
    wanted = spec(grafana=False)
    with socket.create_server(("127.0.0.1", wanted.port("prometheus"))):
        found = find_monitoring(wanted, tmp_path, images={"prometheus"}, running={"prometheus"})
    assert (found.prometheus, found.absent) == ("/bin/prometheus", {})
