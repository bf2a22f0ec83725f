"""What an application says itself, and what Serve says all day."""

from __future__ import annotations

from pathlib import Path

import pytest

from daybreak.show.logs.entry import Entry, Source
from daybreak.show.logs.own import is_own
from daybreak.show.logs.stamps import Level

REPLICA = "serve/default_Front_ft24t3bq"


def said(text: str, level: Level | None = Level.INFO) -> bool:
    return is_own(Entry(1.0, level, Source("serve", REPLICA, Path("/nowhere")), [text]))


@pytest.mark.parametrize(
    "text",
    [
        "Started <ray.serve._private.router.SharedRouterLongPollClient object at 0x7fd1b45a9410>.",
        "Initialized DeploymentHandle g8ugsf4v for Deployment(name='Part1', app='default').",
        "Created DeploymentHandle 'g8ugsf4v' for Deployment(name='Part1', app='default').",
        "Got updated replicas for Deployment(name='Part1', app='default'): 1 total (+1 added, -0 removed).",
        "No replicas are currently available for Deployment(name='Part1', app='default').",
        "New replicas are available for Deployment(name='Part1', app='default'), attempting to route queued requests.",
        "Waiting for an additional 2.0s to shut down: 1 ongoing requests, 0.0s minimum draining",
    ],
)
def test_what_serve_tells_of_deployments_that_ask_others_is_none_of_the_application_s(text: str) -> None:
    assert not said(f"INFO 2026-11-30 10:54:53,826 default_Front ft24t3bq 1dd95a2d -- {text}")


@pytest.mark.parametrize(
    "text",
    [
        "/stop replica.py:1092 - Started executing request to method '__call__'.",
        "/stop replica.py:373 - __CALL__ OK 5.9ms",
        "handle.py:126 - Created DeploymentHandle '2q2squ96' for Deployment(name='App', app='default').",
    ],
)
def test_ray_2_20_writes_them_another_way(text: str) -> None:
    assert not said(f"INFO 2026-11-30 11:07:24,320 default_App iyd1icnp a69ab6c5 {text}")


def test_what_the_application_logs_and_prints_is_its_own() -> None:
    assert said("INFO 2026-11-30 10:54:53,826 default_Front ft24t3bq 1dd95a2d -- the model is loaded")
    assert said("Got updated replicas for breakfast", None)
    assert said("WARNING 2026-11-30 10:54:53,826 default_Front ft24t3bq -- Got updated replicas for x", Level.WARNING)
