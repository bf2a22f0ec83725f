"""The engine and the images that these tests share. Without an engine they are skipped, and the reason is printed."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from daybreak.docker import docker_cli as docker
from daybreak.docker.docker_cli import Client
from daybreak.docker.images.build import arguments
from daybreak.docker.images.choice import choose
from daybreak.errors import DaybreakError
from daybreak.paths import ClusterPaths
from tests.docker.helpers import BASE, HOW, Composer, Project, require_engine, tag
from tests.environment import proxies

ROOT = Path(__file__).parents[2]
OFFICIAL = "rayproject/ray:2.20.0-py311"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder has the marker."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.docker)


@pytest.fixture(scope="session")
def engine() -> Client:
    """The docker command, where an engine answers and has the base image."""
    try:
        found = docker.find()
        found.inspect(BASE)
    except DaybreakError as error:
        pytest.skip(f"{error.message} ({HOW})")
    return found


@pytest.fixture
def paths(tmp_path: Path) -> ClusterPaths:
    """A cluster's folders; skips where no engine answers."""
    require_engine()
    made = ClusterPaths(name="backend", root=tmp_path / "state", runtime=tmp_path / "run")
    made.ensure()
    return made


@pytest.fixture(scope="session")
def bare(engine: Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project without any code, and its image of Ray 2.60.0."""
    project = Project(tmp_path_factory.mktemp("bare"), engine, tag("bare"), ROOT / "constraints")
    project.build("--ray-version", "2.60.0")
    yield project
    project.remove()


@pytest.fixture(scope="session")
def official(engine: Client, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image that is laid out like the official one of Ray 2.20.0. Debian has Python 3.11, so its name says py311."""
    try:
        engine.inspect(OFFICIAL)
    except DaybreakError:
        _make_official(engine, tmp_path_factory.mktemp("secrets"))
    return OFFICIAL


@pytest.fixture(scope="session")
def composer(engine: Client) -> Composer:
    """Docker Compose 2: the machine's own, else what `.ci/engine start` has got."""
    own = Path(os.environ.get("DAYBREAK_COMPOSE_HOME", "/var/cache/daybreak-ci/compose"))
    for config in (None, own):
        found = Composer(engine.program, config)
        if found.version() is not None:
            return found
    pytest.skip(f"there is no Docker Compose 2, and none in {own} (as root, `.ci/engine start` gets it)")


def _make_official(engine: Client, secrets: Path) -> None:
    stream = io.BytesIO()
    # With times of files as whole numbers: an engine takes a header of its own for fractions for a Dockerfile.
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path in sorted((ROOT / "tests/docker/images").iterdir()):
            tar.add(path, path.name)
        tar.add(ROOT / "constraints/ray-2.20.0.txt", "constraints.txt")
    context = secrets / "context.tar"
    context.write_bytes(stream.getvalue())
    lines: list[str] = []
    with pytest.MonkeyPatch.context() as patch, context.open("rb") as file:
        for name, value in proxies.items():
            patch.setenv(name, value)
        words = [*arguments(choose(), secrets, os.environ), "--target", "ray", "--tag", OFFICIAL]
        code = engine.build(words, file, lines.append)
    assert code == 0, "\n".join(lines[-30:])
