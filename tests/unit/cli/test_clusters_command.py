"""`daybreak clusters`, what other commands say of clusters elsewhere, and what the shell completes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from daybreak import api
from daybreak.cli import clusters as command
from daybreak.cli.app import app, run
from daybreak.cli.common import complete, elsewhere
from daybreak.errors import DaybreakError, NotRunning, UsageError
from daybreak.keeper.control.clusters import Listed
from daybreak.keeper.control.error_json import error_from_json, error_to_json
from daybreak.paths import ClusterPaths


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DAYBREAK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAYBREAK_RUNTIME", str(tmp_path / "runtime"))
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)


def listed(tmp_path: Path, name: str = "shop", state: str = "ready", since: float | None = 940.0) -> Listed:
    urls = {"serve": "http://127.0.0.1:8000", "page": "http://127.0.0.1:8080"}
    return Listed(name, state, str(tmp_path / name), "/state", workers=3, since=since, urls=urls, data=True)


def test_one_line_for_each(tmp_path: Path) -> None:
    down = listed(tmp_path, "old-one", "stopped", None)
    assert command.table([listed(tmp_path), down], now=1000.0) == [
        "NAME     STATE    WORKERS  STARTED   FOLDER",
        "shop     ready    3        60 s ago  ~/shop     http://127.0.0.1:8000",
        "old-one  stopped  -        -         ~/old-one  has data",
    ]


def test_none_is_said_on_stderr(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["daybreak", "clusters"])
    assert run() == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == "no cluster runs; `daybreak clusters --all` lists those that are down\n"
    monkeypatch.setattr("sys.argv", ["daybreak", "clusters", "--all", "--json"])
    assert run() == 0
    assert capsys.readouterr().out == "[]\n"


@pytest.mark.parametrize("error", [NotRunning("elsewhere"), error_from_json(error_to_json(NotRunning("elsewhere")))])
def test_a_command_that_needs_a_running_cluster_names_those_that_run(
    error: DaybreakError, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elsewhere, "others", lambda _: [listed(tmp_path), listed(tmp_path, "visits")])
    assert elsewhere.hint_for(error) == "running now: shop (~/shop), visits (~/visits); -n NAME means one of them"
    assert elsewhere.hint_for(UsageError("x")) == ""


@pytest.mark.parametrize("words", [["scale", "2"], ["page"], ["env"], ["run", "--", "true"], ["restart"]])
def test_commands_in_the_wrong_folder(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(elsewhere, "others", lambda _: [listed(tmp_path)])
    monkeypatch.setattr("sys.argv", ["daybreak", *words])
    assert run() == 1
    told = capsys.readouterr().err
    assert told.startswith("error: cluster elsewhere is not running")
    assert "hint: running now: shop (~/shop); -n NAME means one of them" in told


def test_status_in_the_wrong_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(elsewhere, "others", lambda _: [listed(tmp_path)])
    monkeypatch.setattr("sys.argv", ["daybreak", "status"])
    assert run() == 0
    told = capsys.readouterr()
    assert told.out == "elsewhere: stopped\n"
    assert told.err == "hint: running now: shop (~/shop); -n NAME means one of them\n"


def test_a_restart_of_nothing_starts_nothing(tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / "daybreak.yaml").write_text("{}\n")
    with pytest.raises(NotRunning, match="cluster elsewhere is not running: there is nothing to restart") as caught:
        api.restart(api.load())
    assert caught.value.hint == "start it with `daybreak up`"
    assert not (tmp_path / "home").exists()


def completed(words: list[str], parameter: str, incomplete: str) -> list[str]:
    chosen = app.load(words[0])
    context = chosen.make_context(words[0], words[1:], resilient_parsing=True)
    (found,) = [each for each in chosen.params if each.name == parameter]
    return [item.value for item in found.shell_complete(context, incomplete)]


def test_names_of_clusters_services_and_targets_are_completed(tmp_path: Path) -> None:
    for name in ("shop", "shadow", "visits"):
        ClusterPaths.of(name).ensure()
    for service in ("head", "worker-1", "worker-2", "keeper", "postgres"):
        (ClusterPaths.of("shop").logs / f"{service}.log").touch()

    assert completed(["status"], "name", "sh") == ["shadow", "shop"]
    assert completed(["logs", "-n", "shop"], "services", "w") == ["worker-1", "worker-2", "workers"]
    assert completed(["logs", "-n", "shop", "head"], "services", "") == [
        "keeper",
        "postgres",
        "worker-1",
        "worker-2",
        "workers",
    ]
    assert completed(["stop", "-n", "shop", "postgres"], "services", "") == ["worker-1", "worker-2"]
    assert completed(["start", "-n", "shop"], "services", "h") == ["head"]
    assert completed(["wait", "-n", "shop"], "target", "s") == ["serve", "stopped"]
    assert "postgres" in completed(["wait", "-n", "shop"], "target", "")
    assert completed(["logs"], "services", "") == []
    assert tuple(sorted(complete.TARGETS)) == complete.TARGETS


def test_services_that_are_gone_are_not_completed_and_new_ones_are(tmp_path: Path) -> None:
    paths = ClusterPaths.of("shop")
    paths.ensure()
    for service in ("head", "worker-1", "gpu-1", "redis", "postgres", "old", "hooks", "prometheus"):
        (paths.logs / f"{service}.log").touch()
    spec = {
        "workers": {"groups": {"gpu": {}}},
        "services": {"report": {}},
        "databases": {"postgres": {}, "redis": None},
    }
    paths.wanted.write_text(json.dumps({"spec": {"name": "shop", **spec}, "base": str(tmp_path)}))
    left = ["gpu-1", "head", "postgres", "prometheus", "report"]
    assert completed(["restart", "-n", "shop"], "services", "") == left
    assert completed(["stop", "-n", "shop"], "services", "") == [name for name in left if name != "head"]


def test_versions_and_applications_are_completed(tmp_path: Path) -> None:
    paths = ClusterPaths.of("shop")
    paths.ensure()
    assert completed(["rollback", "-n", "shop"], "version", "") == []
    assert completed(["restart", "-n", "shop"], "app", "") == []
    paths.versions.mkdir(parents=True, exist_ok=True)
    for number in (2, 9, 10):
        (paths.versions / f"{number}.json").touch()
    assert completed(["rollback", "-n", "shop"], "version", "") == ["10", "9", "2"]
    assert completed(["rollback", "-n", "shop"], "version", "1") == ["10"]
    listed = [{"import": "app:main", "name": name} for name in ("default", "docs")]
    started(paths, tmp_path, {"applications": listed})
    assert completed(["restart", "-n", "shop"], "app", "do") == ["docs"]


def test_applications_of_a_serve_config_are_completed_where_it_can_be_read(tmp_path: Path) -> None:
    paths = ClusterPaths.of("shop")
    paths.ensure()
    started(paths, tmp_path, {"config": "serve.yaml", "applications": []})
    for text in (None, "applications: 3", "applications: [3]", "a: [", "\t:"):
        if text is not None:
            (tmp_path / "serve.yaml").write_text(text)
        assert completed(["restart", "-n", "shop"], "app", "") == []
    (tmp_path / "serve.yaml").write_text("applications: [{name: one, import_path: a:b}, {import_path: c:d}]")
    assert completed(["restart", "-n", "shop"], "app", "") == ["one", "default"]


def started(paths: ClusterPaths, base: Path, serve: dict[str, Any]) -> None:
    """As if the cluster had been started with that."""
    paths.wanted.write_text(json.dumps({"spec": {"name": "shop", "serve": serve}, "base": str(base)}))
