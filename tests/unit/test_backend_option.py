"""What `up --backend` says counts until it is given again, before the file and for the checks of the spec, too."""

from __future__ import annotations

from pathlib import Path

import pytest

from daybreak import api
from daybreak.errors import SpecError
from daybreak.keeper.control.stored_state import Stored
from daybreak.keeper.wanted.wanted_state import WantedState
from daybreak.paths import ClusterPaths
from daybreak.spec.model import Spec


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a spec that needs containers and does not say so."""
    monkeypatch.setenv("DAYBREAK_HOME", str(tmp_path / "home"))
    made = tmp_path / "shop"
    made.mkdir()
    (made / "daybreak.yaml").write_text("name: shop\ndatabases: {mysql: }\n")
    return made


def remember(backend: str | None) -> None:
    paths = ClusterPaths.of("shop")
    paths.root.mkdir(parents=True, exist_ok=True)
    WantedState(spec=Spec(name="shop"), base="/", backend=backend).save(paths.wanted)


def test_the_option_goes_before_the_file(folder: Path) -> None:
    with pytest.raises(SpecError):
        api.load(folder=folder)
    assert api.load(folder=folder, backend="docker").spec.in_containers


def test_it_is_remembered(folder: Path) -> None:
    remember("docker")
    assert api.load(folder=folder).spec.backend == "docker"
    with pytest.raises(SpecError):
        api.load(folder=folder, backend="process")


def test_without_one_the_file_counts(folder: Path) -> None:
    remember(None)
    (folder / "daybreak.yaml").write_text("name: shop\nbackend: docker\n")
    assert api.load(folder=folder).spec.backend == "docker"
    assert api.load(folder=folder, backend="process").spec.backend == "process"


def test_another_cluster_of_the_folder_has_its_own(folder: Path) -> None:
    remember("docker")
    with pytest.raises(SpecError):
        api.load(folder=folder, name="other")


def test_a_stored_state_of_an_older_version_has_none(folder: Path) -> None:
    paths = ClusterPaths.of("shop")
    paths.root.mkdir(parents=True)
    paths.wanted.write_text('{"spec": {}, "base": "/"}')
    found = Stored.load(paths.wanted)
    assert found is not None
    assert found.backend is None
