"""Only what daybreak deployed on this head is its own to delete."""

from __future__ import annotations

from pathlib import Path

from daybreak.programs.deploy.remembered import Deployed


def test_another_heads_applications_are_nobodys(tmp_path: Path) -> None:
    file = str(tmp_path / "deployed.json")
    Deployed(file, "first").add({"shop": "/"}, by_config=False)
    assert Deployed(file, "first").names == {"shop"}
    assert Deployed(file, "second").names == set()


def test_only_what_holds_a_wanted_route_is_in_the_way(tmp_path: Path) -> None:
    deployed = Deployed(str(tmp_path / "deployed.json"), "head")
    deployed.add({"shop": "/", "api": "/api", "unknown": None}, by_config=False)
    assert deployed.in_the_way({"new": "/"}, by_config=False) == {"shop", "unknown"}
    assert deployed.in_the_way({"shop": "/", "api": "/api"}, by_config=False) == {"unknown"}
    assert deployed.in_the_way({"new": None}, by_config=False) == {"shop", "api", "unknown"}


def test_what_a_config_leaves_out_is_rays_to_delete(tmp_path: Path) -> None:
    deployed = Deployed(str(tmp_path / "deployed.json"), "head")
    deployed.add({"shop": "/"}, by_config=True)
    assert deployed.in_the_way({"new": "/"}, by_config=True) == set()
    assert deployed.in_the_way({"new": "/"}, by_config=False) == {"shop"}


def test_what_was_deleted_is_forgotten(tmp_path: Path) -> None:
    file = str(tmp_path / "deployed.json")
    deployed = Deployed(file, "head")
    deployed.add({"shop": "/", "api": "/api"}, by_config=False)
    deployed.drop({"shop"})
    assert Deployed(file, "head").names == {"api"}
    (tmp_path / "deployed.json").write_text("{")
    assert Deployed(file, "head").names == set()


def test_versions_are_those_of_what_is_deployed(tmp_path: Path) -> None:
    path = str(tmp_path / "deployed.json")
    first = Deployed(path, "head")
    first.add({"shop": "/", "blog": "/blog"}, by_config=False)
    first.note({"shop": {"App": "1"}, "blog": {"Blog": "2"}})
    first.note({"shop": {"App": "3"}})
    assert Deployed(path, "head").versions == {"shop": {"App": "3"}, "blog": {"Blog": "2"}}
    assert Deployed(path, "head").proven == {}
    first.prove()
    first.note({"shop": {"App": "4"}})
    assert Deployed(path, "head").proven == {"shop": {"App": "3"}, "blog": {"Blog": "2"}}
    first.drop(["blog"])
    assert Deployed(path, "head").versions == {"shop": {"App": "4"}}
    assert Deployed(path, "head").proven == {"shop": {"App": "3"}}
    assert Deployed(path, "another head").versions == {}
