"""The clusters of this account, as their keepers and their folders tell."""

from __future__ import annotations

import json
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from daybreak.keeper.control import client
from daybreak.keeper.control import clusters as listing
from daybreak.keeper.control.clusters import SILENT, UNATTENDED, clusters, names, others
from daybreak.paths import ClusterPaths
from daybreak.states import ClusterState

Answering = Callable[[ClusterPaths, dict[str, Any] | None], None]


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Sockets lie in a short path."""
    runtime = tempfile.mkdtemp(prefix="dbc", dir="/tmp")
    monkeypatch.setenv("DAYBREAK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAYBREAK_RUNTIME", runtime)
    yield
    shutil.rmtree(runtime)


def made(name: str, *, folder: str = "", recorded: bool = False, data: bool = False) -> ClusterPaths:
    paths = ClusterPaths.of(name)
    paths.ensure()
    if folder:
        paths.owner.write_text(json.dumps({"folder": folder, "identity": ""}))
    if recorded:
        (paths.records / "head.x.json").write_text("{}")
    if data:
        (paths.data / "postgres").mkdir()
    return paths


@pytest.fixture
def answering() -> Iterator[Answering]:
    """Stands in for a keeper: answers one request with a snapshot, or with nothing at all."""
    open_sockets: list[socket.socket] = []

    def answer(paths: ClusterPaths, snapshot: dict[str, Any] | None) -> None:
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(paths.socket))
        server.listen()
        open_sockets.append(server)

        def serve() -> None:
            connected, _ = server.accept()
            open_sockets.append(connected)
            if snapshot is None:
                return
            assert json.loads(connected.makefile().readline()) == {"op": "status"}
            connected.sendall(b'{"heard": true}\n' + json.dumps({"result": snapshot}).encode() + b"\n")

        threading.Thread(target=serve, daemon=True).start()

    yield answer
    for each in open_sockets:
        each.close()


def snapshot(**rest: Any) -> dict[str, Any]:
    rows = [{"name": "head", "pid": 7, "started": 2000.0}, {"name": "serve", "pid": None, "started": 1000.0}]
    return {"state": "ready", "workers": 2, "urls": {"serve": "http://127.0.0.1:8000"}, "services": rows} | rest


def test_a_running_cluster_is_listed_with_its_folder_and_age(answering: Answering) -> None:
    answering(made("shop", folder="/home/me/shop"), snapshot(backend="process", ray="2.60.0", keeper_pid=5))
    (found,) = clusters()
    assert (found.name, found.state, found.workers, found.folder) == ("shop", "ready", 2, "/home/me/shop")
    assert found.since == 2000.0, "the deployment's process has ended: it is no age"
    assert found.urls == {"serve": "http://127.0.0.1:8000"}
    assert found.to_json()["keeper_pid"] == 5


def test_what_is_down_is_listed_only_when_asked_for() -> None:
    made("old", data=True)
    made("empty")
    assert clusters() == []
    found = {listed.name: (listed.state, listed.data) for listed in clusters(everything=True)}
    assert found == {"old": (ClusterState.STOPPED, True), "empty": (ClusterState.STOPPED, False)}


def test_what_has_no_keeper_is_not_passed_over_and_none_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "spawn", lambda _: pytest.fail("a keeper was started"))
    made("left", recorded=True)
    assert [listed.state for listed in clusters()] == [UNATTENDED]


def test_a_keeper_that_hangs_holds_nobody_up(answering: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "ANSWER_S", 0.2)
    answering(made("stuck"), None)
    answering(made("well"), snapshot())
    assert {listed.name: listed.state for listed in clusters()} == {"stuck": SILENT, "well": "ready"}


def test_the_folder_of_a_cluster_without_an_owner_is_where_it_was_last_started(answering: Answering) -> None:
    paths = made("shop")
    paths.wanted.write_text(json.dumps({"spec": {}, "base": "/srv/shop"}))
    assert [listed.folder for listed in clusters(everything=True)] == ["/srv/shop"]


def test_other_files_in_the_state_folder_are_no_clusters(tmp_path: Path) -> None:
    made("shop")
    (tmp_path / "home" / "notes").mkdir()
    (tmp_path / "home" / ".ports.json.lock").touch()
    assert names() == ["shop"]


def test_others_are_all_but_one(answering: Answering) -> None:
    for name in ("a", "b"):
        answering(made(name), snapshot())
    assert [listed.name for listed in others("a")] == ["b"]


def test_without_a_state_folder_there_are_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DAYBREAK_HOME", str(tmp_path / "nowhere"))
    assert clusters(everything=True) == []
    assert not os.path.exists(tmp_path / "nowhere")
