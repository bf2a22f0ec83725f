"""Which keys of the spec are why a service is replaced."""

from __future__ import annotations

from typing import Any

import pytest

from daybreak.run.changed_keys import changed_keys
from daybreak.run.plan import Goal, plan
from daybreak.services.service import Service, Tier
from daybreak.spec.model import Spec
from tests.unit.run.test_plan import API, HEAD, running

GROUPED = Service("gpu-1", Tier.APP, ("run",), "/", group="gpu")
ALL = [
    HEAD,
    Service("worker-1", Tier.APP, ("run",), "/", group="worker"),
    API,
    Service("postgres", Tier.DATA, ("run",), "/"),
    GROUPED,
]
BEFORE: dict[str, Any] = {"name": "a", "services": {"api": {"command": ["x"], "env": {"KEY": "s3cret"}}}}


@pytest.mark.parametrize(
    ("after", "service", "told"),
    [
        ({"head": {"cpus": 3}}, "head", "head.cpus"),
        ({"head": {"cpus": 3}, "listen": "0.0.0.0"}, "head", "head.cpus, listen"),
        ({"workers": {"cpus": 2}}, "worker-1", "workers.cpus"),
        ({"ray": {"client": True}}, "worker-1", "ray.client"),
        ({"services": {"api": {"command": ["x"], "env": {"KEY": "other"}}}}, "api", "services.api.env.KEY"),
        ({"databases": {"postgres": {}}}, "postgres", "databases.postgres"),
        ({"databases": {"postgres": {}}}, "head", "databases.postgres"),  # it finds them in its environment
        (
            {"head": {"cpus": 3, "gpus": 1, "memory": 2**30, "env": {"A": "b"}}},
            "head",
            "head.cpus, head.gpus, head.memory and 1 more",
        ),
        ({"workers": {"cpus": 2}, "dashboard": False}, "head", "dashboard"),
        ({}, "head", None),
    ],
)
def test_its_own_keys_first(after: dict[str, Any], service: str, told: str | None) -> None:
    found = changed_keys(Spec.model_validate(BEFORE), Spec.model_validate(BEFORE | after), ALL)
    assert found.get(service) == told


def test_a_group_has_keys_of_its_own() -> None:
    one, two = (Spec.model_validate(BEFORE | {"workers": {"groups": {"gpu": {"cpus": cpus}}}}) for cpus in (1, 2))
    found = changed_keys(one, two, ALL)
    assert found["gpu-1"] == "workers.groups.gpu.cpus"
    assert changed_keys(None, two, ALL) == {}


def test_the_plan_names_them() -> None:
    other = Service("head", Tier.APP, ("run", "otherwise"), "/")
    (stop,) = plan([other], [running(HEAD)], Goal(changed={"head": "head.cpus"})).stop
    assert stop.why == "its configuration changed: head.cpus"
