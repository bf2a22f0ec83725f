"""The cluster of tests: its name, its ports, the environment that leads to it, and what is left of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from daybreak import api
from daybreak.errors import DaybreakError, UsageError
from daybreak.extras.pytest import session_cluster
from daybreak.extras.pytest.session_cluster import SessionCluster
from daybreak.spec import Spec
from daybreak.states import ClusterState

SPEC = "name: shop\nhead: {cpus: 2}\nserve: {applications: [{import: 'app:main'}]}\ndatabases: {postgres: {}}\n"


class Clusters:
    """Stands in for what runs: what was started, and with which environment."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ups: list[tuple[api.ReadSpec, dict[str, str]]] = []
        self.downs: list[tuple[str, bool]] = []
        self.stored: Mapping[str, Any] | None = None
        self.fails = False
        for name in ("up", "down", "status"):
            monkeypatch.setattr(api, name, getattr(self, name))
        monkeypatch.setattr(api, "stored_values", lambda _: self.stored)
        monkeypatch.setattr(
            api.Cluster, "env", lambda _: {"RAY_ADDRESS": "127.0.0.2:1", "DATABASE_URL": "postgresql://x"}
        )

    def up(self, spec: api.ReadSpec, *, workers: int) -> api.Cluster:
        self.ups.append((spec, dict(os.environ)))
        assert workers == 0
        if self.fails:
            raise DaybreakError("app: no module of that name")
        return api.Cluster(spec.name, ClusterState.READY, urls={"serve": "http://127.0.0.1:1/"})

    def down(self, name: str, *, volumes: bool) -> None:
        self.downs.append((name, volumes))

    def status(self, name: str) -> api.Cluster:
        return api.Cluster(name, ClusterState.READY if self.stored else ClusterState.STOPPED)

    def spec(self, at: int = -1) -> Spec:
        """What a keeper makes of it."""
        return Spec.model_validate(self.ups[at][0].values["spec"])

    def keep(self) -> None:
        """What was started last is there when the next session begins."""
        self.stored = self.ups[-1][0].values["given"]


@pytest.fixture(name="clusters")
def _clusters(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Clusters:
    monkeypatch.setenv("DAYBREAK_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    (tmp_path / "daybreak.yaml").write_text(SPEC)
    return Clusters(monkeypatch)


def test_it_has_a_name_and_ports_of_its_own_and_nothing_that_no_test_needs(clusters: Clusters, tmp_path: Path) -> None:
    SessionCluster(tmp_path, worker="gw1").begin()
    spec = clusters.spec()
    assert spec.name == "shop-test-gw1"
    assert spec.ports.offset >= session_cluster.FIRST_OFFSET
    assert not spec.serve.wanted
    assert [getattr(spec, key).enabled for key in session_cluster.LEFT_OUT] == [False, False, False]
    assert spec.databases.postgres
    assert spec.head.cpus == 8


def test_the_environment_leads_there_and_back_and_deployments_see_it_as_it_was(
    clusters: Clusters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://mine")
    found = SessionCluster(tmp_path)
    found.begin()
    assert os.environ["RAY_ADDRESS"] == "127.0.0.2:1"
    found.deploy("app:main", {}, "/")
    assert os.environ["DATABASE_URL"] == "postgresql://x"
    found.end()
    assert "RAY_ADDRESS" not in os.environ
    assert os.environ["DATABASE_URL"] == "postgresql://mine"
    assert clusters.ups[0][1] == clusters.ups[1][1]


def test_an_application_is_deployed_with_its_arguments_and_told_where_it_answers(
    clusters: Clusters, tmp_path: Path
) -> None:
    found = SessionCluster(tmp_path)
    found.begin()
    assert found.deploy("shop:build", {"word": "two"}, "/shop") == "http://127.0.0.1:1/shop"
    (application,) = clusters.spec().serve.applications
    assert (application.import_path, application.args, application.route) == ("shop:build", {"word": "two"}, "/shop")


def test_it_ends_with_its_data_unless_it_is_to_be_kept(clusters: Clusters, tmp_path: Path) -> None:
    for keep in (False, True):
        found = SessionCluster(tmp_path, keep=keep)
        found.begin()
        found.end()
    assert clusters.downs == [("shop-test", True)]


def test_one_that_was_kept_is_found_again_as_it_was_left(clusters: Clusters, tmp_path: Path) -> None:
    found = SessionCluster(tmp_path, keep=True)
    found.begin()
    found.deploy("app:main", {}, "/")
    left = clusters.spec()
    clusters.keep()
    SessionCluster(tmp_path).begin()
    assert clusters.spec() == left


def test_the_first_application_is_started_with_the_cluster(clusters: Clusters, tmp_path: Path) -> None:
    found = SessionCluster(tmp_path)
    assert not clusters.ups
    found.deploy("app:main", {}, "/")
    assert len(clusters.ups) == 1
    assert os.environ["RAY_ADDRESS"] == "127.0.0.2:1"
    found.end()
    assert clusters.downs == [("shop-test", True)]


def test_an_application_that_fails_before_anything_runs_is_remembered(clusters: Clusters, tmp_path: Path) -> None:
    found, clusters.fails = SessionCluster(tmp_path), True
    with pytest.raises(DaybreakError):
        found.deploy("app:main", {}, "/")
    assert found.refused
    clusters.fails = False
    found.begin()
    clusters.fails = True
    with pytest.raises(DaybreakError):
        found.deploy("app:main", {}, "/")
    assert not found.refused


def test_what_an_earlier_session_has_left_ends_also_where_nothing_came_up_on_it(
    clusters: Clusters, tmp_path: Path
) -> None:
    SessionCluster(tmp_path).end()
    assert not clusters.downs
    found, clusters.fails = SessionCluster(tmp_path), True
    with pytest.raises(DaybreakError):
        found.deploy("app:main", {}, "/")
    found.end()
    assert clusters.downs == [("shop-test", True)]


def test_groups_of_workers_have_room_too(clusters: Clusters, tmp_path: Path) -> None:
    (tmp_path / "daybreak.yaml").write_text(SPEC + "workers: {groups: {small: {cpus: 1}, all: {cpus: all}}}\n")
    SessionCluster(tmp_path).begin()
    assert [group.cpus for group in clusters.spec().workers.groups.values()] == [4, "all"]
    given = Spec.model_validate(clusters.ups[-1][0].values["given"])
    assert [group.cpus for group in given.workers.groups.values()] == [1, "all"]


def test_without_a_database_it_says_so(clusters: Clusters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del clusters
    monkeypatch.setattr(api.Cluster, "env", lambda _: {})
    found = SessionCluster(tmp_path)
    found.begin()
    with pytest.raises(UsageError, match="shop-test has no PostgreSQL"):
        found.database_url()
