"""What reaches the cluster from a shell, a job or one of the user's services."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from daybreak.machine.ports import PortBook
from daybreak.machine.survey import _ports, _ray_ports
from daybreak.services.ray import addresses, environment, nodes, serve, warm
from daybreak.services.service import Joined
from daybreak.services.site import RayInstall, Site
from daybreak.services.slots import Slot
from daybreak.services.user_services import user_service
from daybreak.spec.check import check
from daybreak.spec.model import Spec

RAY = RayInstall("2.60.0", "/ray/bin/python", "/ray/bin/ray")


def spec(**written: Any) -> Spec:
    return Spec.model_validate({"name": "shop", **written})


def site(ports: dict[str, int], slot: Slot = Slot.A) -> Site:
    folders: dict[str, Any] = {name: f"/x/{name}" for name in ("root", "runtime", "logs", "data", "secrets_folder")}
    return Site(base="/shop", ray=RAY, node_ip="127.0.0.2", slot=slot, ports=ports, gateway="/bin/haproxy", **folders)


PORTS = {name: 20000 + number for number, name in enumerate(addresses.port_names(spec()))}


def test_every_command_of_rays_finds_this_cluster() -> None:
    wanted = spec(ports={"offset": 100}, services={"own": {"command": ["x"]}})
    env = environment.client_env(wanted, site(PORTS))
    assert env["RAY_ADDRESS"] == "127.0.0.2:6480"
    assert env["RAY_API_SERVER_ADDRESS"] == env["RAY_DASHBOARD_ADDRESS"] == "http://127.0.0.1:8365"
    assert env["no_proxy"] == env["NO_PROXY"] == Joined("localhost,127.0.0.1,127.0.0.2,::1", ",")
    assert "DAYBREAK_RAY_CLIENT" not in env
    assert env.items() <= user_service(wanted, site(PORTS), "own", wanted.services["own"]).env.items()
    assert "RAY_DASHBOARD_ADDRESS" not in environment.client_env(spec(dashboard=False), site(PORTS))


def test_the_client_server_has_the_port_of_the_spec_and_is_waited_for(tmp_path: Path) -> None:
    wanted = spec(ray={"client": True}, ports={"client": 10005, "offset": 100})
    book = PortBook(tmp_path / "ports.json")
    ports = _ports(wanted, book, _ray_ports(wanted, Slot.A), slot=Slot.A, only_look=True)
    head = nodes.head(wanted, site(ports))
    assert "--ray-client-server-port=10105" in head.argv
    assert (10105, "Ray client") in [(claim.port, claim.purpose) for claim in head.ports]
    assert "client" in [gate.name for gate in head.gates]
    assert environment.client_env(wanted, site(ports))["DAYBREAK_RAY_CLIENT"] == "ray://127.0.0.2:10105"
    assert "client" not in [gate.name for gate in nodes.head(spec(), site(PORTS)).gates]


def test_in_the_second_slot_every_port_and_folder_is_another_one(tmp_path: Path) -> None:
    wanted = spec(ray={"client": True}, serve={"applications": [{"import": "app:main"}]}, workers={"count": 1})
    book = PortBook(tmp_path / "ports.json")

    def at(slot: Slot) -> Site:
        ports = _ports(wanted, book, _ray_ports(wanted, slot), slot=slot, only_look=False)
        return replace(site(ports, slot), gateway="/bin/haproxy")

    first, second = at(Slot.A), at(Slot.B)
    names = [name for name in second.ports if name.startswith(("head.", "worker-1."))]
    assert not {second.ports[name] for name in names} & {*first.ports.values(), 6380, 8265, 10001} - {
        first.ports["b.head.serve_http"],
        first.ports["b.head.serve_grpc"],
        first.ports["b.head.own_dashboard"],
    }
    assert second.ports["head.serve_http"] == first.ports["b.head.serve_http"]
    assert second.ports["a.head.serve_http"] == first.ports["head.serve_http"]
    for make in (nodes.head, serve.serve):
        before, after = make(wanted, first), make(wanted, second)
        assert not {file.path for file in before.files} & {file.path for file in after.files}
        assert not set(before.logs) & set(after.logs)
        assert not {claim.port for claim in before.ports} & {claim.port for claim in after.ports}
    assert environment.client_env(wanted, first)["RAY_ADDRESS"] == "127.0.0.2:6380"
    assert environment.client_env(wanted, second)["RAY_ADDRESS"] == f"127.0.0.2:{second.ports['head.gcs']}"


def test_a_client_port_that_is_taken_in_the_spec_is_told(tmp_path: Path) -> None:
    taken = {"services": {"own": {"command": ["x"], "ports": [10001]}}}
    assert check(spec(**taken), tmp_path) == []
    found = check(spec(**taken, ray={"client": True}), tmp_path)
    assert [finding.message for finding in found] == ["port 10001 is already taken by ports.client"]


def test_what_all_nodes_have_the_template_and_the_deployment_have_too() -> None:
    node = {"env": {"HF_HOME": "/models", "ROLE": "head"}}
    wanted = spec(head=node, workers={"count": 1, "env": {"HF_HOME": "/models", "ROLE": "worker"}})
    template = warm.template(wanted, site(PORTS)).env
    assert template["HF_HOME"] == "/models"
    assert "ROLE" not in template
    assert template["no_proxy"] == nodes.head(wanted, site(PORTS)).env["no_proxy"]
    assert serve.serve(wanted, site(PORTS)).env["ROLE"] == "head"
    alone = spec(head=node, workers={"count": 0})
    assert warm.template(alone, site(PORTS)).env["ROLE"] == "head"
