"""Whose cluster it is: a folder keeps its cluster when it is moved, and never gets another's."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from daybreak.errors import UsageError
from daybreak.keeper.control.owner import NOBODY, Owner, require
from daybreak.keeper.wanted.wanted_state import WantedState
from daybreak.paths import ClusterPaths
from daybreak.spec.model import Spec


@pytest.fixture
def paths(tmp_path: Path) -> ClusterPaths:
    made = ClusterPaths("shop", tmp_path / "state" / "shop", tmp_path / "run")
    made.root.mkdir(parents=True)
    return made


@pytest.fixture
def folder(tmp_path: Path, paths: ClusterPaths) -> Path:
    """The folder that the cluster belongs to."""
    made = tmp_path / "a" / "shop"
    made.mkdir(parents=True)
    Owner.of(made).save(paths)
    return made


def test_another_folder_is_refused_with_both_paths(paths: ClusterPaths, folder: Path, tmp_path: Path) -> None:
    require(paths, folder, "")
    other = tmp_path / "b" / "shop"
    other.mkdir(parents=True)
    with pytest.raises(UsageError) as refused:
        require(paths, other, "the way out")
    assert str(folder) in refused.value.message
    assert str(other) in refused.value.message
    assert refused.value.hint == "the way out"


def test_one_whose_data_was_deleted_is_nobodys(paths: ClusterPaths, folder: Path, tmp_path: Path) -> None:
    WantedState(Spec(name="shop"), str(folder)).save(paths.wanted)
    NOBODY.save(paths)
    other = tmp_path / "other"
    other.mkdir()
    require(paths, other, "")
    require(paths, folder, "")


def test_a_new_cluster_belongs_to_nobody(paths: ClusterPaths, tmp_path: Path) -> None:
    require(paths, tmp_path, "")


def test_a_link_to_the_folder_is_the_folder(paths: ClusterPaths, folder: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(folder)
    require(paths, link, "")


def test_a_folder_that_was_moved_keeps_its_cluster_and_a_copy_has_none(
    paths: ClusterPaths, folder: Path, tmp_path: Path
) -> None:
    owner = Owner.load(paths)
    assert owner is not None
    if not owner.identity:
        pytest.skip("this file system does not tell when a folder was made")
    moved = folder.rename(tmp_path / "renamed")
    require(paths, moved, "")
    shutil.copytree(moved, folder)
    copied_elsewhere = tmp_path / "copy"
    shutil.copytree(moved, copied_elsewhere)
    with pytest.raises(UsageError):
        require(paths, copied_elsewhere, "")


def test_a_folder_that_is_gone_is_told_as_gone(paths: ClusterPaths, folder: Path, tmp_path: Path) -> None:
    shutil.rmtree(folder)
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(UsageError, match="which is not there any more"):
        require(paths, other, "")


def test_a_folders_number_alone_is_not_believed(paths: ClusterPaths, folder: Path, tmp_path: Path) -> None:
    device, number, birth = Owner.of(folder).identity.split(":")
    other = tmp_path / "other"
    other.mkdir()
    # As where a new folder was given the number of one that was deleted.
    here = Owner.of(other).identity.split(":")
    Owner(str(folder), ":".join([here[0], here[1], "1.000000000"])).save(paths)
    assert (device, number, birth) != tuple(here)
    with pytest.raises(UsageError):
        require(paths, other, "")


def test_a_cluster_of_an_earlier_daybreak_belongs_where_it_was_last_started(
    paths: ClusterPaths, tmp_path: Path
) -> None:
    WantedState(Spec(name="shop"), str(tmp_path / "earlier")).save(paths.wanted)
    with pytest.raises(UsageError, match="earlier"):
        require(paths, tmp_path, "")
