"""Some of the faults of `make chaos`, in short, on one cluster under load: those that no other test brings about."""

from __future__ import annotations

from random import Random

import pytest
from bench.faults.fault import Fault, How
from bench.faults.judge import Row
from bench.faults.target import Target
from bench.faults.trial import carry_out
from bench.faults.victims import VICTIMS

from tests.integration.conftest import GATEWAY, Sandbox
from tests.load import app

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.one_ray,
    pytest.mark.skipif(not GATEWAY, reason="this machine has no HAProxy"),
]

SPEC = """
workers: {count: 1}
page: false
serve: {applications: [{import: app:main}]}
databases: {postgres: {}, redis: {}}
"""
RATE = 20.0
CALM_S = 1.5
# Longer than the keeper takes to see it, on a machine that is busy.
STOPPED_S = 8.0


@pytest.fixture(scope="module")
def target(shared: Sandbox) -> Target:
    shared.write(SPEC, app_py=app("1"))
    shared.run("up")
    return Target(shared.paths, "127.0.0.1", 8000 + shared.offset, shared.status)


def struck(target: Target, name: str, how: How) -> Row:
    """What it costs; all is well again, and nothing is lost."""
    victim = next(victim for victim in VICTIMS if victim.name == name)
    row = carry_out(Fault(victim, how, STOPPED_S), target, Random(1), RATE, CALM_S)
    assert not row.absent
    assert row.healthy_s is not None, row
    assert row.lost == {"PostgreSQL": 0, "Redis": 0}
    return row


def test_no_request_is_lost_with_the_replica_that_has_begun_it(target: Target) -> None:
    row = struck(target, "replica", How.KILL)
    assert not row.failed_count, row


def test_no_request_is_lost_with_serves_controller(target: Target) -> None:
    row = struck(target, "controller", How.KILL)
    assert not row.failed_count, row


def test_a_gateway_that_is_stopped_shows_and_answers_what_has_waited(target: Target) -> None:
    row = struck(target, "gateway", How.STOP)
    assert not row.failed_count, row
    assert row.shown_s is not None, row


def test_a_backend_of_postgres_that_is_killed_takes_no_acknowledged_row_with_it(target: Target) -> None:
    row = struck(target, "backend", How.KILL)
    assert not row.failed_count, row
