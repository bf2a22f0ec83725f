"""Where a cluster's files are: variables that mean one place, and folders that are not ours to change."""

from __future__ import annotations

import os
import shlex
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from daybreak.errors import PreflightError, UsageError
from daybreak.paths import ClusterPaths, runtime_root, state_root
from daybreak.services.ray.addresses import port_names
from daybreak.services.ray.nodes import head, worker
from daybreak.services.socket_paths import SESSION
from daybreak.spec.model import Spec
from tests.unit.services.test_databases import SITE

PORTS = dict.fromkeys(port_names(Spec.model_validate({"name": "shop", "workers": {"count": 12}})), 1)


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DAYBREAK_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    return tmp_path


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("variable", ["DAYBREAK_HOME", "DAYBREAK_RUNTIME", "XDG_STATE_HOME"])
@pytest.mark.parametrize("value", ["state", "./state", "../state", "~nobody-of-this-name/state"])
def test_a_relative_place_is_refused(variable: str, value: str, places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(places)
    monkeypatch.delenv("DAYBREAK_HOME")
    monkeypatch.setenv(variable, value)
    with pytest.raises(UsageError, match=rf"{variable}=.* is a relative path") as raised:
        runtime_root() if variable == "DAYBREAK_RUNTIME" else state_root()
    assert raised.value.hint == f"export {variable}={shlex.quote(os.path.abspath(value))}"


def test_a_home_folder_is_meant_by_its_sign(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAYBREAK_HOME", "~/state")
    monkeypatch.setenv("DAYBREAK_RUNTIME", "~/run/../run")
    assert (state_root(), runtime_root()) == (places.resolve() / "state", places / "run")


@pytest.mark.parametrize("mode", [0o755, 0o775, 0o1777, 0o700])
def test_a_folder_that_was_there_is_left_as_it_is(places: Path, monkeypatch: pytest.MonkeyPatch, mode: int) -> None:
    shared = places / "shared"
    shared.mkdir()
    shared.chmod(mode)
    monkeypatch.setenv("DAYBREAK_RUNTIME", str(shared))
    paths = ClusterPaths.of("it")
    paths.ensure()
    assert (mode_of(shared), mode_of(paths.runtime)) == (mode, 0o700)
    assert paths.runtime.parent == shared


def test_a_folder_that_was_not_there_is_made(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAYBREAK_RUNTIME", str(places / "new/run"))
    ClusterPaths.of("it").ensure()
    assert mode_of(places / "new/run") == 0o700


def test_a_folder_in_which_anybody_may_replace_ours_is_refused(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (places / "open").mkdir()
    (places / "open").chmod(0o777)
    monkeypatch.setenv("DAYBREAK_RUNTIME", str(places / "open"))
    with pytest.raises(PreflightError) as raised:
        ClusterPaths.of("it").ensure()
    assert raised.value.problems == (f"anybody may delete and replace what is in {places / 'open'}",)


def test_a_place_too_long_for_the_keeper_s_socket_is_refused(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAYBREAK_RUNTIME", f"/tmp/{'x' * 100}")
    with pytest.raises(PreflightError) as raised:
        ClusterPaths.of("it").ensure()
    assert "the keeper's socket has a path longer than 107 bytes" in raised.value.problems[0]
    assert not Path(f"/tmp/{'x' * 100}").exists()


@pytest.mark.parametrize(
    ("changes", "longest"),
    [
        ({}, f"head/{SESSION}/sockets/dash_ReportHead"),
        ({"ray": {"dashboard_modules": "all"}}, f"head/{SESSION}/sockets/dash_TaskEventsHead"),
        ({"warm": False}, f"head/{SESSION}/sockets/dash_TaskEventsHead"),
        ({"dashboard": False}, f"head/{SESSION}/sockets/plasma_store"),
    ],
)
def test_a_place_too_long_for_ray_s_sockets_is_refused_before_anything_starts(
    changes: dict[str, object], longest: str
) -> None:
    spec = Spec.model_validate({"name": "shop", **changes})
    short = replace(SITE, ports=PORTS, runtime="/" + "r" * (107 - len(longest) - 2))
    head(spec, short)
    with pytest.raises(PreflightError) as raised:
        head(spec, replace(short, runtime=short.runtime + "rr"))
    assert longest in raised.value.problems[0]
    assert "2 bytes shorter" in (raised.value.hint or "")


def test_workers_have_longer_names_than_the_head() -> None:
    spec = Spec.model_validate({"name": "shop", "dashboard": False, "workers": {"count": 12}})
    fits_the_head = 107 - len(f"/head/{SESSION}/sockets/plasma_store")
    site = replace(SITE, ports=PORTS, runtime="/" + "r" * (fits_the_head - 1))
    head(spec, site)
    with pytest.raises(PreflightError, match="nothing was changed"):
        worker(spec, site, "worker-12")


def test_older_rays_are_told_their_sockets_names() -> None:
    ray = replace(SITE.ray, version="2.20.0", takes_socket_names=True)
    site = replace(SITE, ray=ray, ports=PORTS, runtime="/" + "r" * 60)
    spec = Spec.model_validate({"name": "shop"})
    head(spec, site)
    with pytest.raises(PreflightError):
        head(spec, replace(site, runtime="/" + "r" * 90))


@pytest.mark.parametrize("name", ["", "data", "secrets"])
def test_a_state_folder_that_others_can_write_to_is_refused(places: Path, name: str) -> None:
    paths = ClusterPaths.of("it")
    paths.ensure()
    (paths.root / name).chmod(0o770)
    with pytest.raises(PreflightError) as raised:
        paths.ensure()
    assert "others may write into" in raised.value.details()[0]
    assert f"chmod go-w {paths.root / name}".rstrip("/") in (raised.value.hint or "")


def test_a_state_folder_that_somebody_has_prepared_is_refused(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = ClusterPaths.of("it")
    paths.ensure()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(PreflightError) as raised:
        paths.ensure()
    assert f"{paths.root} belongs to user {os.getuid()}, not to you" in raised.value.details()[0]
