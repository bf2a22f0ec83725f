"""What is wrong with a spec although each of its values is valid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from daybreak.spec.check import check
from daybreak.spec.document import dotted
from daybreak.spec.model import Spec
from daybreak.spec.node_checks import RESERVED

APP = {"applications": [{"import": "app:main"}]}


def found(base: Path, **written: Any) -> list[tuple[str, str, str | None]]:
    spec = Spec.model_validate({"name": "a", **written})
    return [(dotted(item.path), item.message, item.hint) for item in check(spec, base)]


def service(**more: Any) -> dict[str, Any]:
    return {"command": ["x"], **more}


def test_nothing_wrong(tmp_path: Path) -> None:
    (tmp_path / "api").mkdir()
    services = {
        "api": service(needs=["postgres", "redis", "serve", "head", "workers", "db-setup"], ports=[9000], cwd="api"),
        "db-setup": service(needs=["postgres"]),
    }
    databases: dict[str, Any] = {"postgres": {"port": 5432}, "redis": {}}
    written = {"services": services, "databases": databases, "serve": APP, "ray": {"version": ">=2.20,<3"}}
    assert found(tmp_path, **written) == []


@pytest.mark.parametrize("name", [*sorted(RESERVED), "worker-1", "worker-23"])
def test_reserved_names(tmp_path: Path, name: str) -> None:
    ((key, message, _),) = found(tmp_path, services={name: service()})
    assert key == f"services.{name}"
    assert message == "is the name of something that daybreak starts itself"


@pytest.mark.parametrize("name", ["worker", "worker-a", "worker-1-b", "heads"])
def test_names_that_only_look_reserved(tmp_path: Path, name: str) -> None:
    assert found(tmp_path, services={name: service()}) == []


def test_needs_that_nobody_meets(tmp_path: Path) -> None:
    services = {"api": service(needs=["postgres", "serve", "wrokers", "zzz"]), "cache-fill": service(needs=["redis"])}
    assert found(tmp_path, services=services) == [
        ("services.api.needs[0]", "there is no postgres", "write databases: {postgres: {}}"),
        (
            "services.api.needs[1]",
            "there are no Serve applications",
            "write serve: {applications: [{import: app:main}]}",
        ),
        ("services.api.needs[2]", "no service is called 'wrokers'", "did you mean 'workers'?"),
        ("services.api.needs[3]", "no service is called 'zzz'", "known: head, workers, api, cache-fill"),
        ("services.cache-fill.needs[0]", "there is no redis", "write databases: {redis: {}}"),
    ]


def test_circles(tmp_path: Path) -> None:
    services = {
        "a": service(needs=["b"]),
        "b": service(needs=["c", "head"]),
        "c": service(needs=["a"]),
        "d": service(needs=["d", "a"]),
        "e": service(needs=["a"]),
    }
    assert [(key, message) for key, message, _ in found(tmp_path, services=services)] == [
        ("services.a.needs", "needs go round in a circle: a -> b -> c -> a"),
        ("services.d.needs", "needs itself"),
    ]


def test_diamonds_are_no_circles(tmp_path: Path) -> None:
    services = {
        "a": service(needs=["b", "c"]),
        "b": service(needs=["d"]),
        "c": service(needs=["d"]),
        "d": service(),
    }
    assert found(tmp_path, services=services) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, ": no such file"),
        (b"- a\n", ":1: must be a mapping"),
        (b"", ": is empty"),
        (b"a: [\n", ":2: is not valid YAML: "),
        (b"\xff", ":1: is not UTF-8 text"),
    ],
)
def test_serve_config_that_is_none(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "serve.yaml").write_bytes(content)
    ((key, words, _),) = found(tmp_path, serve={"config": "serve.yaml"})
    assert key == "serve.config"
    assert words.startswith(f"{tmp_path}/serve.yaml{message}")


def test_serve_config(tmp_path: Path) -> None:
    (tmp_path / "serve.yaml").write_text("applications: [{import_path: app:main}]\n")
    assert found(tmp_path, serve={"config": "serve.yaml"}) == []


def test_a_working_folder_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    services = {"a": service(cwd="nowhere"), "b": service(cwd="file"), "c": service(cwd=str(tmp_path))}
    assert [key for key, _, _ in found(tmp_path, services=services)] == ["services.a.cwd", "services.b.cwd"]


def test_ports_that_collide(tmp_path: Path) -> None:
    written: dict[str, Any] = {
        "ports": {"gcs": 8265, "offset": 10},
        "serve": APP,
        "databases": {"postgres": {"port": 8010}, "redis": {"port": 9000}},
        "services": {"a": service(ports=[9000, 9001, 9001])},
    }
    assert [(key, message) for key, message, _ in found(tmp_path, **written)] == [
        ("ports.gcs", "port 8275 is already taken by ports.dashboard + ports.offset 10"),
        ("databases.postgres.port", "port 8010 is already taken by ports.serve + ports.offset 10"),
        ("services.a.ports[0]", "port 9000 is already taken by databases.redis.port"),
        ("services.a.ports[2]", "port 9001 is already taken by services.a.ports[1]"),
    ]


def test_ports_that_nobody_listens_on_are_free(tmp_path: Path) -> None:
    assert found(tmp_path, dashboard=False, services={"a": service(ports=[8000, 8265])}) == []


def test_ports_end(tmp_path: Path) -> None:
    written: dict[str, Any] = {"ports": {"gcs": 60000, "serve": 65535, "offset": 5536}, "serve": APP}
    assert [(key, message) for key, message, _ in found(tmp_path, **written)] == [
        ("ports.offset", "ports.serve + ports.offset 5536 is 71071; ports end at 65535"),
        ("ports.offset", "ports.gcs + ports.offset 5536 is 65536; ports end at 65535"),
    ]


@pytest.mark.parametrize(
    ("version", "hint"),
    [("2.60.0", "write '==2.60.0'"), ("latest", "write '>=2.20,<3' or '==2.60.0', for example")],
)
def test_versions(tmp_path: Path, version: str, hint: str) -> None:
    message = f"'{version}' is not a version specifier"
    assert found(tmp_path, ray={"version": version}) == [("ray.version", message, hint)]


def test_rays_own_resources_have_keys_of_their_own(tmp_path: Path) -> None:
    written = {"workers": {"resources": {"CPU": 2, "camera": 1}}}
    assert found(tmp_path, **written) == [
        ("workers.resources.CPU", "is not a custom resource", "write workers: {cpus: ...}")
    ]


def test_rays_nodes_have_whole_amounts_of_custom_resources(tmp_path: Path) -> None:
    written = {"head": {"resources": {"lever": 2.0, "gadget": 1.5}}}
    message = "Ray nodes have whole amounts only, not 1.5"
    assert found(tmp_path, **written) == [("head.resources.gadget", message, "tasks may ask for parts of it")]


def test_nothing_is_concluded_from_what_is_unsure(tmp_path: Path) -> None:
    written = {"services": {"api": service(needs=["postgres", "serve", "web"], ports=[8265])}}
    spec = Spec.model_validate({"name": "a", **written})
    unsure = [("databases",), ("serve", "config"), ("services", "web"), ("ports", "dashboard")]
    assert check(spec, tmp_path, unsure) == []


def test_what_needs_containers_is_told_with_processes(tmp_path: Path) -> None:
    databases: dict[str, Any] = {"mysql": {}, "neo4j": {}, "postgres": {}}
    services = {"api": {"image": "shop-api:1"}, "files": service(volumes=["x:/y"])}
    keys = [key for key, _, _ in found(tmp_path, databases=databases, services=services)]
    assert keys == ["databases.mysql", "databases.neo4j", "services.api.image", "services.files.volumes"]
    ((_, message, hint),) = found(tmp_path, databases={"mysql": {}})
    assert "containers" in message
    assert "--backend docker" in str(hint)
    assert found(tmp_path, backend="docker", databases=databases, services=services) == []


def test_a_folder_for_a_container_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    services = {"api": {"image": "a", "volumes": ["./etc:/etc/api:ro", "./gone:/x", "name:/y"]}}
    assert [key for key, _, _ in found(tmp_path, backend="docker", services=services)] == ["services.api.volumes[1]"]


def test_a_service_needs_a_command_or_an_image(tmp_path: Path) -> None:
    services: dict[str, Any] = {"api": {}, "other": {"image": "a"}}
    assert [(key, message) for key, message, _ in found(tmp_path, backend="docker", services=services)] == [
        ("services.api.command", "is required")
    ]


@pytest.mark.parametrize(
    ("ports", "key", "message"),
    [
        ({"prometheus": 8265}, "ports.prometheus", "port 8265 is already taken by ports.dashboard"),
        ({"grafana": 9090}, "ports.grafana", "port 9090 is already taken by ports.prometheus"),
        ({"prometheus": 3000}, "ports.prometheus", "port 3000 is already taken by ports.grafana"),
        ({"grafana": 4000, "prometheus": 4000}, "ports.grafana", "port 4000 is already taken by ports.prometheus"),
    ],
)
def test_ports_of_what_watches_that_are_written(tmp_path: Path, ports: dict[str, int], key: str, message: str) -> None:
    assert found(tmp_path, ports=ports) == [(key, message, "choose another port")]


def test_ports_of_what_watches_give_way_by_default(tmp_path: Path) -> None:
    assert found(tmp_path, services={"web": service(ports=[3000, 9090])}) == []
    assert found(tmp_path, ports={"prometheus": 8265}, prometheus=False) == []
    assert found(tmp_path, ports={"prometheus": 3000}, grafana=False) == []


def test_without_a_token_only_this_machine_may_reach_the_dashboard(tmp_path: Path) -> None:
    open_to_all = Spec.model_validate({"name": "shop", "ray": {"auth": False}, "listen": "0.0.0.0"})
    found = check(open_to_all, tmp_path)
    assert [(dotted(one.path), one.hint) for one in found] == [
        ("ray.auth", "remove it, or write listen: 127.0.0.1"),
    ]
    assert check(open_to_all.model_copy(update={"listen": "127.0.0.1"}), tmp_path) == []
