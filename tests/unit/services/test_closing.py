"""Where a node looks for the word that it ends is where the keeper puts it, in each slot, also in a container."""

from __future__ import annotations

from dataclasses import replace

from daybreak.programs.warm.closing import VARIABLE
from daybreak.services.build import build
from daybreak.services.ray import closing
from daybreak.services.slots import Slot
from tests.unit.services import engine
from tests.unit.services.test_gateway import by_import, with_gateway

NODES = ("head", "worker-1")


def test_a_node_looks_where_it_is_told() -> None:
    found = set()
    wanted = {"serve": {"applications": [{"import": "app:main"}]}, "workers": {"count": 1}}
    docked = engine.spec(**wanted)
    for spec, place in ((by_import(workers={"count": 1}), with_gateway()), (docked, engine.site(docked))):
        for slot in Slot:
            site = replace(place, slot=slot)
            services = {service.name: service for service in build(spec, site)}
            looked = [services[node].env[VARIABLE] for node in NODES]
            assert set(looked) == set(closing.files(spec, site))
            found |= set(looked)
    # A slot's processes share one file, and each container has its own.
    assert len(found) == 2 + 4


def test_without_the_template_nobody_would_look() -> None:
    spec = by_import(warm=False, workers={"count": 1})
    assert closing.files(spec, with_gateway()) == ()
    services = {service.name: service for service in build(spec, with_gateway())}
    assert not [node for node in NODES if VARIABLE in services[node].env]
