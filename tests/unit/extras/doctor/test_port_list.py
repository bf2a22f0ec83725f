"""The list of a cluster's ports."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from daybreak.extras.doctor import case as case_module
from daybreak.extras.doctor import port_list
from daybreak.extras.doctor.case import Case
from daybreak.extras.doctor.diagnoses.ports import look
from daybreak.extras.doctor.finding import Severity
from daybreak.extras.doctor.port_list import EVERYBODY, THIS_MACHINE, ListedPort, named, ranges, reachable, rows
from daybreak.paths import HOME, RUNTIME, ClusterPaths
from daybreak.spec.model import Spec
from tests.helpers import free_port


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ClusterPaths:
    monkeypatch.setenv(HOME, str(tmp_path / "home"))
    monkeypatch.setenv(RUNTIME, str(tmp_path / "run"))
    found = ClusterPaths.of("shop")
    found.ensure()
    return found


def case(paths: ClusterPaths, **spec: Any) -> Case:
    return Case(paths, Spec.model_validate({"name": "shop", **spec}), paths.root)


def test_chosen_ports_have_their_names_and_those_of_nodes_that_are_gone_are_left_out(paths: ClusterPaths) -> None:
    kept = {"head.metrics": 20001, "worker-9.metrics": 20002, "b.head.metrics": 20003, "postgres": 20004}
    (paths.root / "ports.json").write_text(json.dumps(kept))
    found = named(case(paths))
    assert {port: found.get(port) for port in kept.values()} == {
        20001: "head.metrics",
        20002: None,
        20003: None,
        20004: "postgres",
    }
    assert found[6380] == "GCS"


def test_fixed_ports_go_before_those_that_were_chosen_once(paths: ClusterPaths) -> None:
    (paths.root / "ports.json").write_text(json.dumps({"head.metrics": 20001}))
    found = named(case(paths, ports={"fixed": True}))
    assert 20001 not in found
    assert [port for port, name in found.items() if name == "head.metrics"] == [10106]
    assert not any("workers_" in name for name in found.values())


def test_who_listens_is_seen_and_that_it_is_a_stranger(paths: ClusterPaths) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as server:
        port = server.getsockname()[1]
        listed = {row.port: row for row in rows(case(paths, ports={"gcs": port}))}
    found = listed[port]
    assert (found.name, found.address, found.reach, found.own) == ("GCS", "127.0.0.1", THIS_MACHINE, False)
    assert found.pid is not None
    assert listed[8265].free or listed[8265].address
    assert found.to_json()["free"] is False


def test_what_a_firewall_lets_through(paths: ClusterPaths) -> None:
    listed = [
        ListedPort(6380, "GCS", "0.0.0.0", own=True),
        ListedPort(6381, "x", "::", own=True),
        ListedPort(8265, "dashboard", "127.0.0.1", own=True, is_local=True),
        ListedPort(9000, "somebody's", "0.0.0.0"),
        ListedPort(9001, "free"),
    ]
    assert listed[0].reach == listed[1].reach == EVERYBODY
    assert reachable(case(paths), listed) == [range(6380, 6382)]
    fixed = case(paths, ports={"fixed": True}, workers={"count": 1})
    assert reachable(fixed, listed[:1]) == [range(6380, 6381), range(10100, 10300)]


def test_ranges() -> None:
    assert ranges([]) == []
    assert ranges([3, 1, 2, 7, 2]) == [range(1, 4), range(7, 8)]


def test_what_the_template_was_forked_for_is_told_of_its_node_and_prometheus_by_its_name(
    paths: ClusterPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        socket.create_server(("127.0.0.1", free_port())) as one,
        socket.create_server(("127.0.0.1", free_port())) as other,
    ):
        dashboard, prometheus = (server.getsockname()[1] for server in (one, other))
        monkeypatch.setattr(case_module, "belongs_to", lambda root: lambda listener: listener.pid == os.getpid())
        monkeypatch.setattr(port_list, "marked_service", lambda pid: "warm")
        spec = case(paths, ports={"dashboard": dashboard, "prometheus": prometheus})
        monkeypatch.setattr(Case, "running", True)
        listed = {row.port: row for row in rows(spec)}
    assert (listed[dashboard].name, listed[dashboard].service) == ("dashboard", "head")
    assert listed[prometheus].name == "prometheus"


def test_what_listens_in_a_container_of_the_cluster_is_its_own(
    paths: ClusterPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as server:
        port = server.getsockname()[1]
        monkeypatch.setattr(Case, "container_of", lambda self, pid: "head" if pid == os.getpid() else "")
        asked = case(paths, backend="docker", ports={"gcs": port})
        found = next(row for row in rows(asked) if row.port == port)
        assert (found.own, found.service) == (True, "head")
        assert not [one for one in look(asked) if str(port) in one.found and one.severity is not Severity.OK]
