"""What a cluster's processes take over from the shell, and from a service of another cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from daybreak.backends.process.inherited import inherited, places, told_of
from daybreak.backends.process.starting import Starter
from daybreak.keeper.control.client import _keepers_environment
from daybreak.paths import ClusterPaths
from daybreak.services.service import Service, Tier

SHELL = {"PATH": "/bin", "RAY_DEDUP_LOGS": "0", "DATABASE_URL": "postgresql://mine", "RAY_ADDRESS": "x"}
MARKS = {"DAYBREAK_INSTANCE": "api#1", "DAYBREAK_CLUSTER_ROOT": "/state/a", "DAYBREAK_SERVICE": "api"}


@pytest.fixture
def paths(tmp_path: Path) -> ClusterPaths:
    return ClusterPaths("b", tmp_path / "state" / "b", tmp_path / "run" / "12345678")


def test_a_shell_s_variables_are_taken_over_but_for_the_way_to_a_cluster() -> None:
    assert inherited(SHELL) == {name: value for name, value in SHELL.items() if name != "RAY_ADDRESS"}


def test_the_databases_that_a_shell_was_told_of_are_those_of_the_cluster_that_told_it() -> None:
    shell = {"DATABASE_URL": "postgresql://a", "PGPORT": "1", "REDIS_URL": "redis://mine", "PATH": "/bin"}
    remembered = told_of(["DATABASE_URL", "PGPORT", "RAY_ADDRESS"])
    assert remembered == {"DAYBREAK_TOLD": "DATABASE_URL,PGPORT"}
    assert inherited(shell | remembered) == {"REDIS_URL": "redis://mine", "PATH": "/bin"}
    assert told_of(["RAY_ADDRESS"]) == {}


def test_a_service_s_variables_are_taken_over_without_what_its_cluster_has_told_it() -> None:
    assert inherited(SHELL | MARKS) == {"PATH": "/bin"}


def test_a_keeper_that_a_service_starts_is_nobody_s_service(paths: ClusterPaths) -> None:
    assert _keepers_environment(paths, SHELL | MARKS) == {"PATH": "/bin", "DAYBREAK_CLUSTER_ROOT": str(paths.root)}


def test_a_keeper_gets_its_places_absolute_where_they_were_given(paths: ClusterPaths) -> None:
    given = {"DAYBREAK_HOME": "~/state", "DAYBREAK_RUNTIME": "/tmp/../tmp/run"}
    found = _keepers_environment(paths, given)
    assert places(found) == {"DAYBREAK_HOME": str(paths.root.parent), "DAYBREAK_RUNTIME": str(paths.runtime.parent)}


def test_services_know_where_the_clusters_are(paths: ClusterPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAYBREAK_HOME", "/state")
    monkeypatch.setenv("DAYBREAK_RUNTIME", "/run/x")
    monkeypatch.setenv("DAYBREAK_INSTANCE", "api#1")
    environment = Starter(paths).environment(Service("api", Tier.APP, ("true",), "/"))
    assert {name: value for name, value in environment.items() if name.startswith("DAYBREAK_")} == {
        "DAYBREAK_HOME": "/state",
        "DAYBREAK_RUNTIME": "/run/x",
    }
