"""Ray's nodes, the deployment and the user's own services in containers, as values."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from daybreak.services.build import build
from daybreak.services.container_site import has_room_for_two, site_inside
from daybreak.services.ray.environment import client_env
from daybreak.services.ray.metrics import metrics_endpoints
from daybreak.services.service import (
    CommandCheck,
    HttpCheck,
    MountKind,
    Network,
    Published,
    Secret,
    Service,
    TcpCheck,
    Tier,
)
from daybreak.services.slots import Slot
from daybreak.spec.model import Spec
from tests.unit.services.engine import ADDRESSES, GIB, PASSWORDS, site, spec

APP = {"applications": [{"import": "app:main"}], "health": "/health"}
EVERYTHING: dict[str, Any] = {"serve": APP, "workers": {"count": 2}, "databases": {"postgres": {}, "redis": {}}}


def built(wanted: Spec, **engine: Any) -> dict[str, Service]:
    return {service.name: service for service in build(wanted, site(wanted, **engine))}


def job(service: Service) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(next(file.text for file in service.files if file.path.endswith("node.json")))
    return found


def container(service: Service) -> Any:
    assert service.container is not None
    return service.container


def request(service: Service) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(service.argv[-1])
    return found


def test_nodes_are_containers_and_the_deployment_stands_in_for_a_program_in_the_heads() -> None:
    services = built(spec(**EVERYTHING))
    assert list(services) == ["postgres", "redis", "head", "worker-1", "worker-2", "serve"]
    assert [name for name, service in services.items() if service.container is None] == ["serve"]
    assert "warm" not in {need.service for service in services.values() for need in service.needs}
    assert services["serve"].bound_to() == ("head",)
    assert services["serve"].argv[:2] == ("/host/python", "-IS")
    assert request(services["serve"])["argv"][0] == "/run/daybreak/warm/bin/python"
    assert request(services["serve"])["cwd"] == "/app"


def test_addresses_are_fixed_and_ports_are_the_same_in_every_container() -> None:
    services = built(spec(**EVERYTHING))
    assert container(services["head"]).address == "10.208.2.2"
    assert container(services["worker-2"]).address == "10.208.2.12"
    flags = {
        name: dict(word.partition("=")[::2] for word in job(services[name])["start"]) for name in ("head", "worker-1")
    }
    assert flags["head"]["--node-ip-address"] == "10.208.2.2"
    assert flags["worker-1"]["--node-ip-address"] == "10.208.2.11"
    assert flags["worker-1"]["--address"] == "10.208.2.2:6380"
    assert flags["worker-1"]["--node-manager-port"] == flags["head"]["--node-manager-port"] != "10100"
    ends = [end.address for end in metrics_endpoints(spec(**EVERYTHING), site(spec(**EVERYTHING)))]
    assert len({end.rpartition(":")[0] for end in ends}) == 3
    assert "127.0.0.1" not in str(ends)


def test_what_people_use_is_published_where_the_spec_says() -> None:
    services = built(spec(listen="192.168.7.1", **EVERYTHING))
    assert container(services["head"]).published == tuple(
        Published("192.168.7.1", port, port) for port in (6380, 8265, 8000)
    )
    assert "--dashboard-host=0.0.0.0" in job(services["head"])["start"]
    assert services["serve"].ports == (), "the head's container holds its port"
    assert [claim.port for claim in services["head"].ports] == [6380, 8265, 8000]
    assert services["serve"].urls == {"serve": "http://192.168.7.1:8000"}
    assert container(services["worker-1"]).published == ()


def test_the_head_does_not_wait_for_its_template() -> None:
    head = built(spec(**EVERYTHING))["head"]
    assert job(head)["start"][:2] == ["/opt/ray/bin/python", "/run/daybreak/lib/programs/node/start.py"]
    assert job(head)["template"][1] == "/run/daybreak/lib/programs/warm/template.py"
    assert job(head)["vital"] == ["gcs_server", "raylet"]
    settings = json.loads(next(file.text for file in head.files if file.path.endswith("settings.json")))
    assert settings["hold_s"] > 0
    assert settings["folder"] == "/tmp/daybreak-0/0123abcd/head/warm"


def test_without_the_warm_start_rays_own_command_runs() -> None:
    head = built(spec(warm=False, **EVERYTHING))["head"]
    assert job(head)["start"][:3] == ["/opt/ray/bin/ray", "start", "--head"]
    assert job(head)["template"] is None
    assert not [file for file in head.files if "warm/bin/python" in file.path]


def test_a_nodes_folder_has_one_path_inside_and_outside() -> None:
    services = built(spec(**EVERYTHING))
    for name in ("head", "worker-1"):
        folder = f"/tmp/daybreak-0/0123abcd/{name}"
        binds = {mount.target: mount for mount in container(services[name]).mounts}
        assert (binds[folder].kind, binds[folder].source, binds[folder].read_only) == (MountKind.BIND, folder, False)
        assert f"--temp-dir={folder}" in job(services[name])["start"]
        assert all(log.startswith(f"{folder}/session_latest/") for log in services[name].logs)
        assert binds["/run/daybreak/lib/programs"].read_only
    status = services["serve"].gates[0].check
    assert getattr(status, "status_file", "") == "/tmp/daybreak-0/0123abcd/head/serve-status.json"


def test_secrets_are_files_and_in_no_environment_nor_command_line() -> None:
    services = built(spec(databases={"postgres": {}, "redis": {}, "mysql": {}, "neo4j": {}}, serve=APP))
    for service in services.values():
        shown = f"{service.argv} {service.env} {service.container} {service.gates}"
        assert not [value for value in (*PASSWORDS.values(), "t" * 64) if value in shown]
    head = services["head"]
    assert job(head)["secrets"]["DATABASE_URL"] == "/run/daybreak/secrets/database-url"
    assert container(head).secrets["/run/daybreak/secrets/database-url"] == Secret(
        "/state/shop/secrets/inside/database-url"
    )
    assert container(head).secrets["/run/daybreak/secrets/ray-token"] == Secret("/state/shop/secrets/ray-token")
    assert str(head.env["RAY_AUTH_TOKEN_PATH"]) in container(head).secrets
    assert head.env["PGHOST"] == ADDRESSES["postgres"]


def test_programs_of_this_machine_use_published_ports() -> None:
    wanted = spec(databases={"postgres": {}}, serve=APP)
    outside = client_env(wanted, site(wanted))
    assert (outside["PGHOST"], outside["PGPORT"]) == ("127.0.0.1", "20432")
    assert outside["RAY_API_SERVER_ADDRESS"] == "http://127.0.0.1:8265"
    within = client_env(wanted, site_inside(site(wanted), "head"))
    assert (within["PGHOST"], within["PGPORT"]) == ("10.208.2.3", "5432")
    assert within["RAY_API_SERVER_ADDRESS"] == "http://10.208.2.2:8265"
    through = spec(ray={"client": True})
    assert str(client_env(through, site(through))["RAY_ADDRESS"]).startswith("ray://10.208.2.2:")


def test_memory_and_processors_are_limited_where_the_spec_says_so() -> None:
    plain = built(spec(**EVERYTHING))["worker-1"]
    assert (container(plain).memory_bytes, container(plain).cpus) == (None, None)
    assert container(plain).shm_bytes > 256 * 2**20
    memory = next(word for word in job(plain)["start"] if word.startswith("--memory="))
    assert int(memory.partition("=")[2]) < 2 * GIB, "a quarter of the processors, a quarter of the memory"
    asked = built(spec(workers={"count": 1, "cpus": 2, "memory": "1GiB", "object_store": "512MiB"}))["worker-1"]
    assert container(asked).cpus == 2
    assert container(asked).memory_bytes > 1.5 * GIB
    assert f"--memory={GIB}" in job(asked)["start"]


def test_another_number_of_workers_changes_nothing_for_the_others() -> None:
    few, many = built(spec(**EVERYTHING)), built(spec(**{**EVERYTHING, "workers": {"count": 5}}))
    for name, service in few.items():
        assert service.fingerprint() == many[name].fingerprint(), name


def test_another_image_or_mount_replaces_the_nodes_and_not_the_databases() -> None:
    before = built(spec(**EVERYTHING))
    newer = replace(site(spec()).engine.image, id="sha256:2")  # type: ignore[union-attr]
    for after in (built(spec(**EVERYTHING), image=newer), built(spec(docker={"mount_code": True}, **EVERYTHING))):
        changed = {name for name in before if before[name].fingerprint() != after[name].fingerprint()}
        assert changed == {"head", "worker-1", "worker-2"}


def test_code_is_mounted_where_the_image_would_have_it() -> None:
    head = built(spec(docker={"mount_code": True}, **EVERYTHING))["head"]
    code = next(mount for mount in container(head).mounts if mount.target == "/app")
    assert (code.source, code.read_only) == ("/work/shop", True)


def test_on_the_machines_network_nothing_is_published() -> None:
    services = built(spec(docker={"network": "host"}, **EVERYTHING), network=None, addresses={})
    for service in services.values():
        if service.container:
            assert (service.container.network, service.container.published) == (None, ())
    assert "--dashboard-host=127.0.0.1" in job(services["head"])["start"]
    gates = {gate.name: gate.check for gate in services["head"].gates}
    asked = gates["dashboard"]
    assert isinstance(asked, HttpCheck)
    assert asked.url == "http://127.0.0.1:8265/api/gcs_healthz", "where it listens, not at the nodes' address"
    assert "127.0.0.1:8265/api/gcs_healthz" in str(services["head"].env["DAYBREAK_HEALTH_URLS"])
    assert "listen_addresses=127.0.0.1" in services["postgres"].argv
    assert "port=20432" in services["postgres"].argv


def test_an_account_of_this_machine_has_a_home_in_the_container() -> None:
    head = built(spec(**EVERYTHING), user="1234:1234", uid=1234)["head"]
    assert container(head).user == "1234:1234"
    assert head.env["HOME"] == "/tmp/daybreak-0/0123abcd/head/home"
    assert "/tmp/daybreak-0/0123abcd/head/home" in job(head)["folders"]


def test_the_engine_is_told_how_to_see_the_health() -> None:
    services = built(spec(**EVERYTHING))
    assert container(services["head"]).health[-1].endswith("health.py")
    urls = str(services["head"].env["DAYBREAK_HEALTH_URLS"]).split()
    assert urls == ["10.208.2.2:8000/-/healthz", "10.208.2.2:8265/api/gcs_healthz"]
    assert str(services["worker-1"].env["DAYBREAK_HEALTH_URLS"]).startswith("10.208.2.11:")


def test_a_service_without_wishes_runs_in_the_heads_container() -> None:
    services = built(
        spec(services={"api": {"command": ["python", "api.py"], "cwd": ".", "ports": [9100], "check": {"tcp": 9100}}})
    )
    api, head = services["api"], services["head"]
    assert api.container is None
    assert request(api)["argv"] == ["python", "api.py"]
    # A command line can be read by everybody.
    assert set(request(api)) == {"argv", "cwd"}
    assert str(api.env["WITHIN_PATH"]).startswith("/opt/ray/bin:")
    assert api.gates[0].check == TcpCheck("10.208.2.2", 9100)
    assert Published("127.0.0.1", 9100, 9100) in container(head).published
    assert (api.ports, api.bound_to()) == ((), ("head",))


def test_a_check_by_command_runs_where_the_service_does() -> None:
    check = {"command": ["true"]}
    services = built(spec(services={"one": {"command": ["x"], "check": check}, "api": {"image": "a", "check": check}}))
    inner = services["one"].gates[0].check
    assert isinstance(inner, CommandCheck)
    assert json.loads(inner.argv[-1])["argv"] == ["true"]
    assert services["api"].gates[0].check == CommandCheck(("true",))


@pytest.mark.parametrize("wish", [{"image": "shop-api:1"}, {"memory": "1GiB"}, {"volumes": ["x:/y"]}, {"tier": "data"}])
def test_a_service_with_a_wish_has_a_container_of_its_own(wish: dict[str, Any]) -> None:
    written = {"command": ["serve"], "ports": [9100], "check": {"tcp": 9100}, **wish}
    wanted = spec(services={"api": written}, databases={"postgres": {}})
    api = built(wanted)["api"]
    assert container(api).address == "10.208.3.11"
    assert container(api).published == (Published("127.0.0.1", 9100, 9100),)
    assert api.gates[0].check == TcpCheck("10.208.3.11", 9100)
    assert api.env["DATABASE_URL"] == Secret("/state/shop/secrets/inside/database-url")
    assert api.tier == Tier(written.get("tier", "app"))
    assert ("PYTHONPATH" in api.env) == ("image" not in wish), "another image has its own paths"


def test_volumes_and_folders() -> None:
    wanted = spec(services={"api": {"image": "a", "volumes": ["files:/data", "./etc:/etc/api:ro"]}})
    volume, folder = container(built(wanted)["api"]).mounts
    assert (volume.kind, volume.source, volume.target) == (MountKind.VOLUME, "daybreak-shop-files", "/data")
    assert (folder.kind, folder.source, folder.read_only) == (MountKind.BIND, "/work/shop/etc", True)


def test_a_url_to_check_is_the_users_own() -> None:
    wanted = spec(services={"api": {"image": "a", "ports": [9100], "check": {"http": "http://127.0.0.1:9100/x"}}})
    check = built(wanted)["api"].gates[0].check
    assert isinstance(check, HttpCheck)
    assert check.url == "http://127.0.0.1:9100/x"


def test_in_the_second_slot_nothing_is_in_the_way_of_the_first() -> None:
    wanted = spec(ray={"client": True}, **EVERYTHING)
    first, second = ({one.name: one for one in build(wanted, site(wanted, slot))} for slot in Slot)
    nodes = ("head", "worker-1", "worker-2")
    assert [container(second[name]).address for name in nodes] == ["10.208.3.254", "10.208.3.253", "10.208.3.252"]
    published = [{port.host_port for port in container(one["head"]).published} for one in (first, second)]
    # Without a gateway the dashboard and Serve have the spec's, and there is no second generation.
    assert published[0] & published[1] == {8265, 8000}
    assert {20500, 20501} < published[1]
    start = job(second["worker-1"])["start"]
    assert "--address=10.208.3.254:20500" in start
    assert "--node-ip-address=10.208.3.253" in start
    folders = [{mount.source for mount in container(one["head"]).mounts} for one in (first, second)]
    runtime = site(wanted).runtime
    assert folders[0] ^ folders[1] == {f"{runtime}/head", f"{runtime}/head.b"}
    assert f"{runtime}/head.b/node.sock" in second["serve"].argv
    assert {one.name for one in second.values() if one.slot is Slot.B} == {*nodes, "serve"}
    assert second["redis"].fingerprint() == first["redis"].fingerprint()


def test_a_network_has_room_for_two_app_tiers_as_far_as_it_reaches() -> None:
    place = site(spec())
    assert has_room_for_two(place, 200)
    assert not has_room_for_two(place, 256)
    small = site(spec(), network=Network("daybreak-shop", "10.208.2.0/24"))
    assert not has_room_for_two(small, 1)
    assert has_room_for_two(site(spec(), network=None), 256)
