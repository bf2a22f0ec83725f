"""A site with a Docker engine, for tests of services in containers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from daybreak.services.ray.addresses import published_ports, same_ports
from daybreak.services.service import Network
from daybreak.services.site import Engine, Image, RayInstall, Site
from daybreak.services.slots import Slot
from daybreak.spec.model import Spec
from tests.unit.services.shop import shop

PASSWORDS = {name: letter * 64 for name, letter in zip(("postgres", "redis", "mysql", "neo4j"), "abcd", strict=True)}
IMAGE = Image("daybreak/shop:latest", "sha256:1", 1000, {"PATH": "/opt/ray/bin:/usr/bin", "PYTHONPATH": "/app"})
NETWORK = Network("daybreak-shop", "10.208.2.0/23")
LAST = {"head": 2, "postgres": 3, "redis": 4, "mysql": 5, "neo4j": 6}
ADDRESSES = {name: f"10.208.2.{number}" for name, number in LAST.items()} | {"api": "10.208.3.11"}
GIB = 2**30


def spec(**written: Any) -> Spec:
    return Spec.model_validate({"name": "shop", "backend": "docker", **written})


def site(wanted: Spec, slot: Slot = Slot.A, **engine: Any) -> Site:
    """As a survey would find it: in the second slot the head has other published ports, and another address."""
    facts: dict[str, Any] = {
        "image": IMAGE,
        "network": NETWORK,
        "addresses": ADDRESSES,
        "uid": 1000,
        "python": "/host/python",
        "memory_bytes": 8 * GIB,
    }
    chosen = {name: 20500 + place for place, name in enumerate(published_ports(wanted, slot))}
    made = shop(
        ray=RayInstall("2.60.0", "/opt/ray/bin/python", "/opt/ray/bin/ray", haproxy="/opt/ray/haproxy"),
        node_ip=ADDRESSES["head"],
        ports={"postgres": 20432, "redis": 20379, "mysql": 20306, "neo4j": 20687}
        | same_ports(wanted, [10100], slot)
        | chosen,
        secrets={"ray-token": "t" * 64, **PASSWORDS},
        cpus=4,
        engine=Engine("daybreak-shop", **{**facts, **engine}),
    )
    return replace(made, slot=slot, node_ip=replace(made, slot=slot).head_ip)
