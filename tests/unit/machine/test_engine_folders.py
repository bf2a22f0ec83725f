"""Folders that containers see."""

from __future__ import annotations

from pathlib import Path

import pytest

from daybreak.errors import PreflightError
from daybreak.machine.engine import make_folders, prefix_of, require_readable
from daybreak.paths import ClusterPaths


def test_code_that_another_account_cannot_read_is_told_before_anything_starts(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    require_readable(tmp_path, tmp_path.stat().st_uid)
    require_readable(tmp_path, 0)
    with pytest.raises(PreflightError) as caught:
        require_readable(tmp_path, 54321)
    assert f"chmod -R a+rX {tmp_path}" in str(caught.value.hint)
    tmp_path.chmod(0o755)
    require_readable(tmp_path, 54321)


@pytest.mark.parametrize(("shared", "mode"), [(True, 0o777), (False, 0o700)])
def test_each_node_has_a_folder_with_what_was_learned(tmp_path: Path, shared: bool, mode: int) -> None:
    paths = ClusterPaths("a", tmp_path / "root", tmp_path / "run" / "0123")
    paths.runtime.parent.mkdir()
    paths.ensure()
    paths.learned.parent.mkdir()
    paths.learned.write_text("{}")
    for _ in range(2):
        make_folders(paths, ["head", "worker-1"], shared=shared)
    for node in ("head", "worker-1"):
        folder = paths.ray_temp(node)
        assert folder.stat().st_mode & 0o777 == mode
        assert (folder / "learned.json").stat().st_mode & 0o777 == 0o644
    assert paths.runtime.stat().st_mode & 0o777 == 0o700, "nobody else gets this far"


def test_what_a_container_has_put_in_its_place_is_neither_written_nor_opened_to_others(tmp_path: Path) -> None:
    paths = ClusterPaths("a", tmp_path / "root", tmp_path / "run" / "0123")
    paths.runtime.parent.mkdir()
    paths.ensure()
    paths.learned.parent.mkdir()
    paths.learned.write_text("{}")
    for node in ("head", "worker-1"):
        paths.ray_temp(node).mkdir()
    victim = tmp_path / "victim"
    victim.write_text("of the host")
    victim.chmod(0o600)
    (paths.ray_temp("head") / "learned.json").symlink_to(victim)
    (paths.ray_temp("worker-1") / "learned.json").mkdir()
    make_folders(paths, ["head", "worker-1"], shared=True)
    assert (victim.read_text(), victim.stat().st_mode & 0o777) == ("of the host", 0o600)
    assert (paths.ray_temp("head") / "learned.json").read_text() == "{}"
    assert not (paths.ray_temp("head") / "learned.json").is_symlink()


def test_two_state_folders_may_have_clusters_of_one_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAYBREAK_HOME", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert prefix_of(ClusterPaths.of("shop")) == "daybreak-shop"
    monkeypatch.setenv("DAYBREAK_HOME", str(tmp_path / "elsewhere"))
    moved = prefix_of(ClusterPaths.of("shop"))
    assert moved.startswith("daybreak-shop-")
    monkeypatch.setenv("DAYBREAK_HOME", str(tmp_path / "elsewhere2"))
    assert prefix_of(ClusterPaths.of("shop")) != moved
