"""Some of the faults of `make chaos`, in short, on one cluster under load: those that no other test brings about."""

from __future__ import annotations

from functools import partial
from random import Random

import pytest
from bench.faults import account
from bench.faults.blow import Blow
from bench.faults.crowds import silent
from bench.faults.distress import Distress
from bench.faults.fault import Fault, How
from bench.faults.judge import Row
from bench.faults.target import Target
from bench.faults.trial import Patience, carry_out
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
serve: {applications: [{import: app:main}]}
databases: {postgres: {}, redis: {}}
"""
RATE = 20.0
CALM_S = 1.5
# Longer than the keeper takes to see it, on a machine that is busy.
STOPPED_S = 8.0
SILENT, SILENT_S = 200, 5.0


@pytest.fixture(scope="module")
def target(shared: Sandbox) -> Target:
    shared.write(SPEC, app_py=app("1"))
    shared.run("up")
    return Target(shared.paths, "127.0.0.1", 8000 + shared.offset, shared.status)


def struck(target: Target, name: str, how: How) -> Row:
    """What it costs; all is well again, and nothing is lost."""
    victim = next(victim for victim in VICTIMS if victim.name == name)
    return borne(target, Fault(victim, how, STOPPED_S))


def borne(target: Target, blow: Blow) -> Row:
    row = carry_out(blow, target, Random(1), RATE, Patience(CALM_S))
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


def test_a_crowd_that_connects_and_says_nothing_is_in_nobodys_way(target: Target) -> None:
    row = borne(target, Distress("silent", "silent", partial(silent, count=SILENT), SILENT_S))
    assert not row.failed_count, row
    assert not row.exceeded, row


@pytest.mark.skipif(account.why_not() != "", reason=account.why_not())
def test_another_account_sees_no_more_than_is_said(target: Target) -> None:
    seen = account.look(target)
    assert not seen.beyond
    assert {kind for kind, _, _ in seen.rows} == {"port", "url", "process"}
