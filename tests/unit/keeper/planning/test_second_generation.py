"""Whether a second app tier fits beside the one that serves, in containers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daybreak.backends.base import Handle
from daybreak.extras.doctor.diagnoses import shm
from daybreak.keeper.planning import second_generation as looked_up
from daybreak.keeper.planning.second_generation import second_generation
from daybreak.run.restart_way import Facts
from daybreak.services.build import Cluster, build
from daybreak.testing.clock import run
from tests.unit.services import engine

pytestmark = pytest.mark.usefixtures("threads_take_no_time")

SERVE = {"applications": [{"import": "app:main"}]}


@pytest.fixture(autouse=True)
def room(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """On this machine; and no shared memory for the object store of a process."""
    monkeypatch.setattr(looked_up, "of_instances", lambda *_: 1)
    monkeypatch.setattr(looked_up, "GPU", tmp_path / "none")
    monkeypatch.setattr(looked_up, "SHARE_LEFT", 0.0)
    monkeypatch.setattr(shm, "room", lambda **_: 0)


def against(network: Any = engine.NETWORK, **written: Any) -> str:
    spec = engine.spec(serve=SERVE, **written)
    site = replace(engine.site(spec, network=network), gateway="/bin/haproxy")
    if network is None:
        doors = {name: 20100 + place for place, name in enumerate(("head.serve_http", "b.head.serve_http"))}
        site = replace(site, ports={**site.ports, **doors})
    cluster = Cluster(spec, site, build(spec, site))
    handles = [
        Handle.started(one, one.name, 1, {}, at_wall=1.0, pid=0, started_ticks=0, boot_id="")
        for one in cluster.services
    ]
    found = run(second_generation(cluster, handles, Facts(), Path("/nowhere"), keep=False, asked=True))
    return "; ".join(found.against)


def test_containers_are_replaced_beside_those_that_serve() -> None:
    assert against() == ""
    assert against(workers={"count": 2}, services={"beside": {"command": ["sleep", "9"]}}) == ""


def test_ports_that_both_heads_would_publish_are_in_the_way() -> None:
    api = {"command": ["serve"], "ports": [9100]}
    assert against(services={"api": api}).startswith("api has ports that the head's container publishes")
    assert against(services={"api": {**api, "image": "api:1"}}) == "", "it has a container of its own"
    assert against(network=None, services={"api": api}) == "", "nothing is published there"


def test_addresses_for_all_workers_are_needed() -> None:
    assert "no addresses for another 256 workers" in against(workers={"count": 256})
