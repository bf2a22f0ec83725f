"""Ports are looked at before a run: strangers are named, the cluster's own proxies are no obstacle to a deployment."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from daybreak.backends.base import Handle
from daybreak.errors import PreflightError
from daybreak.keeper.runs.preflight import preflight
from daybreak.run.plan import plan
from daybreak.services.service import PortClaim
from tests.unit.helpers import service


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that this very process listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield int(listening.getsockname()[1])


def test_a_taken_port_is_refused_with_its_owner(taken: int, tmp_path: Path) -> None:
    steps = plan([service("head", ports=(PortClaim("127.0.0.1", taken, "GCS"),))], [])
    with pytest.raises(PreflightError) as caught:
        preflight(steps, tmp_path)
    assert f"port {taken} (GCS) is in use by" in caught.value.problems[0]
    assert f"(pid {os.getpid()})" in caught.value.problems[0]


def test_a_deployment_may_find_the_proxies_of_its_own_head(
    taken: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = plan([service("serve", one_shot=True, ports=(PortClaim("127.0.0.1", taken, "Serve"),))], [])
    with pytest.raises(PreflightError):
        preflight(steps, tmp_path)
    monkeypatch.chdir(tmp_path)  # a process in the cluster's folder is the cluster's
    preflight(steps, tmp_path)


def test_the_keepers_own_port_counts_where_anything_is_to_start(taken: int, tmp_path: Path) -> None:
    own = [PortClaim("127.0.0.1", taken, "page")]
    with pytest.raises(PreflightError) as caught:
        preflight(plan([service("head")], []), tmp_path, own)
    assert f"port {taken} (page) is in use by" in caught.value.problems[0]
    preflight(plan([], []), tmp_path, own)


def test_a_port_of_another_cluster_names_it_and_the_command_that_frees_it(
    taken: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAYBREAK_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", "/home/me")
    other = tmp_path / "shop"
    (other / "services").mkdir(parents=True)
    (other / "owner.json").write_text(json.dumps({"folder": "/home/me/shop", "identity": ""}))
    monkeypatch.chdir(other)  # a process in the cluster's folder is the cluster's
    steps = plan([service("serve", ports=(PortClaim("127.0.0.1", taken, "Serve"),))], [])
    with pytest.raises(PreflightError) as caught:
        preflight(steps, tmp_path / "mine")
    first = f"port {taken} (Serve) is in use by cluster shop in ~/shop ("
    assert caught.value.message.startswith(first)
    assert f"pid {os.getpid()})" in caught.value.message
    assert (caught.value.hint or "").startswith("`daybreak down -n shop` frees it, or move this cluster's ports")


def test_a_port_that_is_written_down_is_not_moved_by_the_offset(taken: int, tmp_path: Path) -> None:
    claim = PortClaim("127.0.0.1", taken, "Serve's gRPC", "grpc_options.port of serve.yaml")
    with pytest.raises(PreflightError) as caught:
        preflight(plan([service("serve", ports=(claim,))], []), tmp_path)
    assert f"port {taken} (Serve's gRPC) is in use by" in caught.value.message
    assert caught.value.hint == "stop it, or write another port as grpc_options.port of serve.yaml"
    with pytest.raises(PreflightError) as caught:
        preflight(plan([service("a", ports=(claim, PortClaim("127.0.0.1", taken, "Serve")))], []), tmp_path)
    assert "--port-offset" in (caught.value.hint or "")
    assert "grpc_options.port" in (caught.value.hint or "")


def test_a_service_that_is_replaced_needs_the_ports_that_it_will_have(taken: int, tmp_path: Path) -> None:
    old = service("serve")
    handle = Handle("serve", "app", "i", old.fingerprint(), 1, 1, "b", 1.0)
    moved = service("serve", ports=(PortClaim("127.0.0.1", taken, "Serve"),), env={"NEW": "1"})
    steps = plan([moved], [handle])
    assert [step.handle.service for step in steps.stop] == ["serve"]
    with pytest.raises(PreflightError):
        preflight(steps, tmp_path, before=[old])
    preflight(steps, tmp_path, before=[moved])
    preflight(steps, tmp_path)
