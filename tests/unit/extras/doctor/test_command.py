"""What the command looks at: which spec counts, and a keeper's answer, or its silence, over a real socket."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click
import pytest

from daybreak.cli import doctor
from daybreak.cli.doctor import gathering
from daybreak.errors import UsageError
from daybreak.keeper.wanted.wanted_state import WantedState
from daybreak.paths import ClusterPaths
from daybreak.spec.model import Spec
from daybreak.states import ServiceState
from tests.helpers import DEADLINE_S
from tests.unit.extras.doctor.conftest import process, record, row, snapshot


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder."""
    made = tmp_path / "work"
    made.mkdir()
    monkeypatch.chdir(made)
    return made


@contextmanager
def keeper(paths: ClusterPaths, *answer: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
    """A keeper that answers each request with these lines; yields what it was asked."""
    asked: list[dict[str, Any]] = []
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(paths.socket))
    server.listen()

    def serve() -> None:
        connected, _ = server.accept()
        # Whoever asks may have gone before the answer comes, or before it is read.
        with connected, connected.makefile() as lines, suppress(ConnectionError):
            asked.append(json.loads(lines.readline()))
            for line in answer:
                connected.sendall(json.dumps(line).encode() + b"\n")
            lines.readline()  # until the other side has gone

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield asked
    finally:
        thread.join(timeout=60)
        server.close()


def test_without_a_spec_defaults_count_and_the_folder_names_the_cluster() -> None:
    case = gathering.gather(None, None, None, None)
    assert (case.name, case.given, case.spec.workers.count, case.option) == ("work", False, 1, "")
    assert not case.running


def test_the_folders_spec_with_options_on_top(folder: Path) -> None:
    (folder / "daybreak.yaml").write_text("name: it\nports: {gcs: 7000}\n")
    case = gathering.gather(None, None, None, 500)
    assert (case.name, case.given, case.spec.port("gcs")) == ("it", True, 7500)
    assert case.file == folder / "daybreak.yaml"


def test_an_invalid_spec_is_a_finding_and_a_missing_file_wrong_usage(folder: Path) -> None:
    (folder / "daybreak.yaml").write_text("name: it\nworkers: {cuont: 3}\nhealth: {interval: fast}\n")
    case = gathering.gather(None, None, None, None)
    assert (case.name, len(case.problems), case.given) == ("it", 2, False)
    absent = "name: it\nsecrets: {key: {file: none.txt}}\nhead: {secrets: [key]}\n"
    (folder / "daybreak.yaml").write_text(absent)
    (problem,) = gathering.gather(None, None, None, None).problems
    assert "none.txt cannot be read" in problem.message
    (folder / "daybreak.yaml").write_text("name: Not A Name\n")
    assert gathering.gather(None, None, None, None).problems
    with pytest.raises(UsageError):
        gathering.gather(None, None, ("nowhere.yaml",), None)
    with pytest.raises(UsageError):
        gathering.gather(None, "../up", None, None)


def store(paths: ClusterPaths, folder: Path, **spec: Any) -> None:
    WantedState(Spec.model_validate({"name": paths.name, **spec}), str(folder)).save(paths.wanted)


def test_what_runs_counts_before_what_the_file_says(folder: Path, paths: ClusterPaths) -> None:
    (folder / "daybreak.yaml").write_text("name: it\nworkers: {count: 7}\n")
    store(paths, folder, workers={"count": 2})
    assert gathering.gather(None, None, None, None).spec.workers.count == 7
    with process("redis") as started:
        record(paths, "redis", started.pid)
        case = gathering.gather(None, None, None, None)
    assert case.spec.workers.count == 2
    assert case.of_file
    assert case.of_file.workers.count == 7


def test_another_clusters_name_means_that_cluster(folder: Path, paths: ClusterPaths) -> None:
    (folder / "daybreak.yaml").write_text("name: here\nworkers: {count: 7}\n")
    store(paths, folder, workers={"count": 2})
    case = gathering.gather(None, "it", None, None)
    assert (case.name, case.spec.workers.count, case.of_file, case.option) == ("it", 2, None, "-n it")
    assert case.command("status") == "daybreak status -n it"


def test_the_keepers_answer(paths: ClusterPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "KEEPER_DEADLINE_S", DEADLINE_S)
    with keeper(paths, {"heard": True}, {"result": snapshot(row("head")).to_json()}) as asked:
        case = gathering.gather(None, "it", None, None)
    assert asked == [{"op": "status"}]
    assert case.running
    assert case.rows["head"].state is ServiceState.READY


def test_a_keeper_that_hears_nothing_or_says_nothing(paths: ClusterPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "KEEPER_DEADLINE_S", 0.1)
    with keeper(paths):
        case = gathering.gather(None, "it", None, None)
    assert case.silent == "the keeper has not answered for 0.1 s"
    paths.socket.unlink()
    with keeper(paths, {"heard": True}):
        case = gathering.gather(None, "it", None, None)
    assert case.silent == "the keeper has not answered for 0.1 s"
    assert case.snapshot is None


def test_names_of_diagnoses() -> None:
    assert [diagnosis.name for diagnosis in doctor._choose(("shm", "ports"))] == ["ports", "shm"]
    argument = next(each for each in doctor.doctor.params if each.name == "diagnoses")
    assert [item.value for item in argument.shell_complete(click.Context(doctor.doctor), "s")] == [
        "spec",
        "serve",
        "services",
        "slow-start",
        "shm",
        "slow-disk",
        "stale",
    ]
    with pytest.raises(UsageError, match="no diagnosis port"):
        doctor._choose(("port",))
