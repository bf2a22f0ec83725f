"""What runs where nodes of several machines form a cluster."""

from __future__ import annotations

from daybreak.services.build import build
from daybreak.services.ray.addresses import address, node_names, port_names
from daybreak.services.ray.environment import client_env
from daybreak.services.ray.fixed_ports import fixed_ports
from daybreak.services.ray.metrics import metrics_endpoints
from daybreak.services.ray.offers import offers
from daybreak.services.service import EveryCheck, GreetingCheck, HttpCheck, Joined
from daybreak.services.slots import Slot
from daybreak.spec.model import Spec
from tests.unit.services.shop import shop

JOINING = Spec.model_validate(
    {
        "name": "shop",
        "address": "10.0.0.6",
        "join": {"address": "10.0.0.5:6380", "token_file": "token"},
        "workers": {"count": 2, "resources": {"far": 1}},
    }
)
SITE = shop(ports=dict.fromkeys(port_names(JOINING), 20001), node_ip="10.0.0.6")


def test_workers_alone() -> None:
    services = build(JOINING, SITE)
    assert [service.name for service in services] == ["warm", "worker-1", "worker-2"]
    worker = services[1]
    assert [need.service for need in worker.needs] == ["warm"]
    assert {"--address=10.0.0.5:6380", "--node-ip-address=10.0.0.6"} <= set(worker.argv)
    check = worker.gates[0].check
    assert isinstance(check, EveryCheck)
    gcs, alive = check.checks
    # Where the head is away that is told, not what comes of it.
    assert gcs == GreetingCheck("10.0.0.5", 6380, "the GCS")
    assert isinstance(alive, HttpCheck)
    # Its agent knows whether the GCS takes it for alive.
    assert alive.url == "http://10.0.0.6:20001/api/local_raylet_healthz"
    assert isinstance(worker.health.check, EveryCheck)
    assert GreetingCheck("10.0.0.5", 6380, "the GCS") in worker.health.check.checks


def test_programs_reach_the_head_of_the_other_machine() -> None:
    env = client_env(JOINING, SITE)
    assert env["RAY_ADDRESS"] == address(JOINING, SITE) == "10.0.0.5:6380"
    assert env["RAY_AUTH_MODE"] == "token"
    own = env["NO_PROXY"]
    assert isinstance(own, Joined)
    assert {"10.0.0.5", "10.0.0.6"} <= set(own.value.split(","))
    assert "RAY_DASHBOARD_ADDRESS" not in env


def test_no_port_of_a_head() -> None:
    assert node_names(JOINING) == ["worker-1", "worker-2"]
    assert not [name for name in port_names(JOINING) if name.startswith("head")]
    assert {end.node for end in metrics_endpoints(JOINING, SITE)} == {"worker-1", "worker-2"}
    fixed = Spec.model_validate({**JOINING.model_dump(by_alias=True), "ports": {"fixed": True}})
    assert {name.partition(".")[0] for name in fixed_ports(fixed, Slot.A)} == {"worker-1", "worker-2"}


def test_nobody_knows_what_nodes_of_other_machines_offer() -> None:
    """Applications that do not fit on this machine's nodes are not refused: others may come."""
    assert offers(Spec.model_validate({"name": "shop", "address": "10.0.0.5"})) == []
    assert [row["name"] for row in offers(Spec.model_validate({"name": "shop"}))] == ["head", "worker-1"]
