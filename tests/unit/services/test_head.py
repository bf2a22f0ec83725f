"""When the head counts as ready, and which folder a node needs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from daybreak.services.ray.addresses import needed_folder, port_names
from daybreak.services.ray.nodes import head, worker
from daybreak.services.service import HttpCheck, Service
from daybreak.spec.model import Spec
from tests.unit.services.test_databases import SITE


@pytest.mark.parametrize(
    ("version", "dashboard", "gates"),
    [
        ("2.20.0", True, ["gcs", "dashboard", "raylet", "jobs"]),
        ("2.20.0", False, ["gcs", "raylet"]),
        ("2.60.0", True, ["gcs", "dashboard", "raylet"]),
    ],
)
def test_a_head_is_ready_when_a_job_can_be_given_to_it(version: str, dashboard: bool, gates: list[str]) -> None:
    """A dashboard of an older Ray refuses jobs until it has looked for agents again."""
    spec = Spec.model_validate({"name": "shop", "dashboard": dashboard})
    ports = dict.fromkeys(port_names(spec), 1) | dict(SITE.ports)
    found = head(spec, replace(SITE, ray=replace(SITE.ray, version=version), ports=ports)).gates
    assert [gate.name for gate in found] == gates
    if "jobs" in gates:
        check = found[-1].check
        assert isinstance(check, HttpCheck)
        assert check.url == "http://127.0.0.1:8265/internal/node_module"
        # Where a release has no such page nobody waits for it.
        assert check.accept == (200, 499)
        assert check.lacks == '"registeredAgents": 0'


def temporary(node: Service) -> str | None:
    """The folder that a node's command names."""
    return next((word.removeprefix("--temp-dir=") for word in node.argv if word.startswith("--temp-dir=")), None)


@pytest.mark.parametrize("older", [False, True])
def test_a_node_needs_the_folder_that_ray_was_told_of(older: bool) -> None:
    """A worker of an older version is told of none, and takes the head's: nobody may expect another one."""
    spec = Spec.model_validate({"name": "shop", "workers": {"count": 1}})
    ports = dict.fromkeys(port_names(spec), 1) | dict(SITE.ports)
    site = replace(SITE, ray=replace(SITE.ray, takes_socket_names=older), ports=ports)
    heads, own = temporary(head(spec, site)), temporary(worker(spec, site, "worker-1"))
    assert heads is not None
    assert needed_folder(site, "head") == heads
    assert needed_folder(site, "worker-1") == (own or heads)


@pytest.mark.parametrize(("older", "raylet"), [(False, "worker-1/{}raylet.*"), (True, "head/{}raylet.[0-9]*")])
def test_a_workers_logs_are_where_its_raylet_writes(older: bool, raylet: str) -> None:
    spec = Spec.model_validate({"name": "shop", "workers": {"count": 1}})
    ports = dict.fromkeys(port_names(spec), 1) | dict(SITE.ports)
    site = replace(SITE, ray=replace(SITE.ray, takes_socket_names=older), ports=ports)
    assert worker(spec, site, "worker-1").logs == (f"{site.runtime}/{raylet.format('session_latest/logs/')}",)
    assert not [pattern for pattern in head(spec, site).logs if pattern.endswith("raylet.*")], "those of workers"
