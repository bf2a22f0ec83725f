"""The Python interface on real Ray: a `with` block, every function, typed results, errors."""

from __future__ import annotations

import json
import shutil
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import daybreak
from daybreak.backends.process import members
from daybreak.errors import KeeperError, SpecError
from tests.integration.conftest import APP, GATEWAY, end_keeper, free_offset

pytestmark = [pytest.mark.ray, pytest.mark.one_ray]

NAME = "api-test"


@pytest.fixture(scope="module")
def state() -> Iterator[Path]:
    """State and runtime folders for all tests of the module."""
    folder = Path(tempfile.mkdtemp(prefix="dba", dir="/tmp"))
    yield folder
    assert members.Scan().marked(str(folder / "home" / NAME)) == {}
    end_keeper(folder / "home" / NAME)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def folder(state: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cluster's folder, with an application; the interface works in the module's state folder."""
    monkeypatch.setenv("DAYBREAK_HOME", str(state / "home"))
    monkeypatch.setenv("DAYBREAK_RUNTIME", str(state / "run"))
    made = state / "project"
    made.mkdir(exist_ok=True)
    (made / "app.py").write_text(APP)
    return made


def get(url: str) -> object:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


def instances(cluster: daybreak.Cluster) -> dict[str, str]:
    """All but a Prometheus that this machine happens to have."""
    return {row["name"]: row["instance"] for row in cluster.services if row["tier"] != "observe"}


def test_a_cluster_for_the_length_of_a_with_block(folder: Path) -> None:
    """It ends as well where the block ends with an error."""
    offset = free_offset()
    with (
        pytest.raises(LookupError, match="the user's own"),
        daybreak.cluster(workers=1, app="app:main", folder=folder, name=NAME, port_offset=offset) as cluster,
    ):
        assert isinstance(cluster, daybreak.Cluster)
        assert (cluster.name, cluster.state, cluster.workers) == (NAME, "ready", 1)
        assert cluster.urls["serve"] == f"http://127.0.0.1:{8000 + offset}"
        assert get(cluster.urls["serve"] + "/health") == {"ok": True}
        assert cluster.env()["RAY_ADDRESS"].endswith(f":{6380 + offset}")
        assert instances(daybreak.status(NAME)) == instances(cluster)
        raise LookupError("the user's own")
    assert daybreak.status(NAME).state == "stopped"
    assert members.Scan().marked(str(folder)) == {}


def test_another_folder_does_not_get_the_cluster(folder: Path, tmp_path: Path) -> None:
    assert folder != tmp_path
    for app in (None, "app:main"):
        spec = daybreak.load(folder=tmp_path, name=NAME, app=app, workers=0)
        with pytest.raises(daybreak.DaybreakError, match=str(folder)):
            daybreak.up(spec)


def test_up_a_block_scale_restart_down(folder: Path) -> None:
    offset = free_offset()
    spec = daybreak.load(folder=folder, name=NAME, app="app:main", workers=0, port_offset=offset)
    assert isinstance(spec, daybreak.LoadedSpec)
    messages: list[Mapping[str, object]] = []
    first = daybreak.up(spec, on_message=messages.append)
    assert (first.state, first.workers, list(instances(first))) == ("ready", 0, ["warm", *GATEWAY, "head", "serve"])
    assert any("event" in message for message in messages)
    assert instances(daybreak.up(spec)) == instances(first)
    # A block leaves what ran before as it was.
    with (
        pytest.raises(LookupError, match="the user's own"),
        daybreak.cluster(workers=0, app="app:main", folder=folder, name=NAME, port_offset=offset) as again,
    ):
        assert instances(again) == instances(first)
        raise LookupError("the user's own")
    assert (daybreak.status(NAME).state, instances(daybreak.status(NAME))) == ("ready", instances(first))

    scaled = daybreak.scale(1, name=NAME)
    assert (scaled.workers, list(instances(scaled))) == (1, ["warm", *GATEWAY, "head", "worker-1", "serve"])
    assert {**instances(scaled), **instances(first)} == instances(scaled)

    with pytest.raises(daybreak.UsageError, match="redeploy, replace, in-place"):
        daybreak.restart(name=NAME, way="sideways")
    restarted = daybreak.restart(name=NAME, way="in-place")
    assert (restarted.state, restarted.workers) == ("ready", 1)
    kept = set(instances(restarted).items()) & set(instances(scaled).items())
    assert {service for service, _ in kept} == {"warm", *GATEWAY}
    assert get(restarted.urls["serve"] + "/health") == {"ok": True}

    done = daybreak.down(NAME)
    assert float(done["duration_s"]) > 0
    assert daybreak.status(NAME).state == "stopped"
    assert daybreak.down(NAME) == {} or daybreak.status(NAME).state == "stopped"


def test_what_is_wrong_is_an_error_of_daybreaks_own(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "daybreak.yaml").write_text("workers: {count: many}\nservce: {}\nports: {serve: 99999}\n")
    with pytest.raises(SpecError) as caught:
        daybreak.load(folder=tmp_path)
    assert {problem.key for problem in caught.value.problems} >= {"workers.count", "servce", "ports.serve"}
    assert all(problem.line for problem in caught.value.problems)
    assert isinstance(caught.value, daybreak.DaybreakError)
    with pytest.raises(KeeperError, match="not running"):
        daybreak.scale(2, name="nobody")
    assert daybreak.status("nobody").state == "stopped"
    assert daybreak.down("nobody") == {}


def test_a_failed_start_raises_and_leaves_nothing(folder: Path, state: Path) -> None:
    spec = daybreak.load(folder=folder, name=NAME, app="app:nothing", workers=0, port_offset=free_offset())
    with pytest.raises(daybreak.DaybreakError, match="nothing") as caught:
        daybreak.up(spec)
    assert caught.value.exit_code == 1
    assert daybreak.status(NAME).state == "stopped"
    assert members.Scan().marked(str(state / "home" / NAME)) == {}
