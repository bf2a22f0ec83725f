"""Which versions of Ray have known holes, and when the user is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from daybreak.services.ray.environment import auth_env
from daybreak.services.ray.holes import HOLES, holes, warnings, without_token
from daybreak.services.site import RayInstall, Site
from tests.unit.services import engine


def ray(version: str) -> RayInstall:
    return RayInstall(version, "/venv/bin/python", "/venv/bin/ray")


def site(version: str) -> Site:
    return Site("/app", "/state", "/run/x", "/logs", "/data", "/secrets", ray(version), "127.0.0.2")


@pytest.mark.parametrize(
    ("version", "count"),
    [
        *(("2.20.0", 2), ("2.51.2", 2), ("2.52.0", 0), ("2.53.0", 0), ("2.54.0", 1), ("2.57.1", 1)),
        *(("2.58.0", 0), ("2.60.0", 0), ("3.0.0.dev0", 0)),
    ],
)
def test_holes_of_a_version(version: str, count: int) -> None:
    assert len(holes(ray(version))) == count


def test_one_line_says_what_who_tells_and_which_version_has_it_no_more() -> None:
    (line,) = warnings(site("2.56.0"))
    assert line.startswith("Ray 2.56.0: each Serve replica")
    assert "65189" in line
    assert line.endswith("fixed in 2.58.0")


def test_each_has_a_source_and_ends_after_it_began() -> None:
    assert all(hole.source and hole.since < hole.fixed for hole in HOLES)


def test_nobody_reaches_containers_in_a_network_of_their_own() -> None:
    contained = replace(engine.site(engine.spec()), ray=ray("2.20.0"))
    assert not warnings(contained)
    assert contained.engine
    assert warnings(replace(contained, engine=replace(contained.engine, network=None)))


def test_without_a_token_it_is_said_each_time_wherever_the_nodes_are() -> None:
    opened = replace(site("2.60.0"), ray=replace(ray("2.60.0"), tokens=False))
    assert len(without_token(opened)) == len(warnings(opened)) == 1
    assert "ray.auth is false" in without_token(opened)[0]
    assert without_token(site("2.60.0")) == ()
    assert without_token(replace(opened, ray=replace(ray("2.20.0"), tokens=False))) == ()
    assert (opened.ray.has_token_auth, opened.ray.knows_tokens) == (False, True)


def test_the_account_s_own_token_is_not_asked_for_either() -> None:
    opened = replace(site("2.60.0"), ray=replace(ray("2.60.0"), tokens=False))
    assert auth_env(opened) == {"RAY_AUTH_MODE": "disabled"}
    assert auth_env(site("2.60.0"))["RAY_AUTH_MODE"] == "token"
    assert auth_env(site("2.20.0")) == {}
