"""Secrets in the keeper: a new value is a difference, and no value is stored but in the runtime folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from daybreak.errors import PreflightError
from daybreak.keeper.wanted import handing
from daybreak.paths import ClusterPaths
from daybreak.services.handed import Handed, node_variables
from daybreak.services.service import Service, Tier
from daybreak.services.site import Site
from daybreak.spec.model import Spec
from daybreak.testing.clock import run
from tests.unit.helpers import service
from tests.unit.keeper.world import SPEC, World

pytestmark = pytest.mark.usefixtures("threads_take_no_time")

SWORD, FISH = "swordfish-0815", "of the environment"
WRITTEN: dict[str, Any] = {
    "name": "shop",
    "secrets": {"key": {"file": "key.txt"}, "db": {"environment": "DB_PASSWORD"}},
    "head": {"secrets": ["key", {"name": "db", "env": "PGPASSWORD"}], "env_file": "app.env"},
}


@pytest.fixture
def paths(tmp_path: Path) -> ClusterPaths:
    (tmp_path / "key.txt").write_text(SWORD)
    (tmp_path / "app.env").write_text("TOKEN=of-the-file\n")
    found = ClusterPaths("shop", tmp_path / "state", tmp_path / "run")
    found.ensure()
    return found


def looked(paths: ClusterPaths, asked: dict[str, str] | None, known: Handed, *, strict: bool = True) -> handing.Handing:
    found = handing.look(Spec.model_validate(WRITTEN), paths.root.parent, paths, asked, known, strict=strict)
    handing.write(found, paths.handed)
    return found


def test_each_value_has_a_folder_named_by_a_keyed_hash(paths: ClusterPaths) -> None:
    first = looked(paths, {"DB_PASSWORD": FISH}, Handed()).handed
    again = looked(paths, {"DB_PASSWORD": FISH}, first).handed
    assert again == first
    other = looked(paths, {"DB_PASSWORD": "another"}, first).handed
    assert (other.secrets["key"], other.files) == (first.secrets["key"], first.files)
    assert other.secrets["db"] != first.secrets["db"]
    key = Path(first.as_file("key"))
    assert key.read_text() == SWORD
    modes = [os.stat(path).st_mode & 0o777 for path in (key, key.parent, paths.handed)]
    assert modes == [0o600, 0o700, 0o700]
    handing.prune(paths.handed, other)
    assert not Path(first.as_value("db").path).exists()
    assert Path(other.as_value("db").path).read_text() == "another"


def test_another_cluster_has_other_hashes(paths: ClusterPaths, tmp_path: Path) -> None:
    elsewhere = ClusterPaths("other", tmp_path / "elsewhere", tmp_path / "run2")
    elsewhere.ensure()
    asked = {"DB_PASSWORD": FISH}
    assert looked(paths, asked, Handed()).handed.secrets != looked(elsewhere, asked, Handed()).handed.secrets


def test_what_nobody_asks_for_stays_as_it_is(paths: ClusterPaths, tmp_path: Path) -> None:
    first = looked(paths, {"DB_PASSWORD": FISH}, Handed()).handed
    (tmp_path / "key.txt").write_text("edited meanwhile")
    assert looked(paths, None, first).handed == first
    # After a start of the machine the runtime folder is empty.
    handing.prune(paths.handed, Handed())
    with pytest.raises(PreflightError, match="DB_PASSWORD is not set"):
        looked(paths, None, first)
    lenient = looked(paths, None, first, strict=False).handed
    assert lenient.secrets["db"] == first.secrets["db"]
    assert lenient.secrets["key"] != first.secrets["key"]


def built(spec: Spec, site: Site) -> tuple[Service, ...]:
    return (service("web-1", Tier.APP, "up", env=node_variables(spec, spec.head, site.handed), start_timeout_s=60.0),)


class Handers(World):
    built = staticmethod(built)


def test_a_changed_secret_replaces_who_uses_it_and_no_file_has_its_value(tmp_path: Path) -> None:
    (tmp_path / "key.txt").write_text(SWORD)
    (tmp_path / "app.env").write_text("TOKEN=of-the-file\n")
    shell = {"DB_PASSWORD": FISH, "HOME": "/home/me"}

    async def story() -> None:
        world = Handers(tmp_path)
        whole = SPEC | WRITTEN

        async def up(**environment: str) -> dict[str, str]:
            await world.begin("apply", spec=whole, base=str(tmp_path), environment=shell | environment).answer()
            return await world.running()

        first = await up()
        assert await up() == first
        (tmp_path / "key.txt").write_text(SWORD + "2")
        plan = await world.ask("plan", spec=whole, base=str(tmp_path), environment=shell)
        assert [step["service"] for step in plan["start"]] == ["web-1"]
        second = await up()
        assert second != first
        assert await up(DB_PASSWORD="rotated-since") != second
        inherited = world.keeper.parts.followers.desired.environment
        assert inherited["HOME"] == "/home/me"
        assert "DB_PASSWORD" not in inherited, "nobody inherits it"
        stored = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        for word in (SWORD, FISH, "rotated-since", "of-the-file"):
            holding = {path for path, text in stored.items() if word.encode() in text}
            assert all(path.is_relative_to(world.paths.handed) or path.parent == tmp_path for path in holding), holding
        await world.ask("down")
        assert not world.paths.handed.exists()

    run(story())


def test_a_missing_one_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    async def story() -> None:
        world = Handers(tmp_path)
        with pytest.raises(PreflightError) as caught:
            await world.begin("apply", spec=SPEC | WRITTEN, base=str(tmp_path), environment={}).answer()
        assert len(caught.value.problems) == 3
        assert await world.running() == {}

    run(story())
