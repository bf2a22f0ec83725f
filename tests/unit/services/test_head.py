"""When the head counts as ready."""

from __future__ import annotations

from dataclasses import replace

import pytest

from daybreak.services.base import HttpCheck
from daybreak.services.ray import head, port_names
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
