"""What a cluster has left that ran as processes of root, and a container of another account."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from daybreak.backends.docker.folders import hand_over
from daybreak.services.service import Container, Mount, MountKind

ME = os.geteuid()


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """What was given away, by name, to whom; nothing is."""
    found: dict[str, int] = {}

    def chown(path: str, uid: int, gid: int, *, dir_fd: int, follow_symlinks: bool) -> None:
        assert (gid, follow_symlinks) == (-1, False)
        found[os.path.join(os.readlink(f"/proc/self/fd/{dir_fd}"), path)] = uid

    monkeypatch.setattr(os, "chown", chown)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    real = os.stat

    def owned(path: Any, **rest: Any) -> Any:
        found = real(path, **rest)
        fields = list(found)
        fields[4] = 1000 if str(path) == "theirs" else 0 if found.st_uid == ME else found.st_uid
        return os.stat_result(fields)

    monkeypatch.setattr(os, "stat", owned)
    return found


def container(runtime: Path, uid: int = 1000, *, read_only: bool = False) -> Container:
    mounts = (
        Mount(MountKind.BIND, f"{runtime}/head", f"{runtime}/head", read_only=read_only),
        Mount(MountKind.BIND, "/app", str(runtime.parent / "project")),
    )
    return Container(image="x", uid=uid, mounts=mounts)


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    head, project = tmp_path / "run" / "head", tmp_path / "project"
    (head / "session" / "logs").mkdir(parents=True)
    project.mkdir()
    for file in (
        head / "ray_current_cluster",
        head / "session" / "logs" / "gcs.out",
        head / "theirs",
        project / "app.py",
    ):
        file.write_text("")
    (head / "session_latest").symlink_to(head / "session")
    (head / "out").symlink_to(project)
    return tmp_path / "run"


def test_what_is_roots_is_given_to_the_containers_account(runtime: Path, given: dict[str, int]) -> None:
    hand_over(container(runtime), runtime)
    names = {str(Path(name).relative_to(runtime / "head")) for name in given}
    assert names == {"ray_current_cluster", "session", "session/logs", "session/logs/gcs.out", "session_latest", "out"}
    assert set(given.values()) == {1000}


@pytest.mark.parametrize("rest", [{"uid": 0}, {"read_only": True}])
def test_nothing_is_given_where_nothing_has_to_be(runtime: Path, given: dict[str, int], rest: dict[str, Any]) -> None:
    hand_over(container(runtime, **rest), runtime)
    assert given == {}


def test_who_is_not_root_gives_nothing(runtime: Path, given: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    hand_over(container(runtime), runtime)
    assert given == {}
