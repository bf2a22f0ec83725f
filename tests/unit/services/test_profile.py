"""What Serve is tuned for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from daybreak.services.ray import profile
from daybreak.services.ray.nodes import head
from daybreak.services.ray.serve import notes
from daybreak.services.site import Site
from daybreak.spec.model import Spec
from tests.unit.services.test_databases import SITE
from tests.unit.services.test_ingress import WITH_HAPROXY

APP = {"applications": [{"import": "app:main"}]}


def spec(**serve: object) -> Spec:
    return Spec.model_validate({"name": "shop", "serve": {**APP, **serve}})


def with_ray(site: Site, version: str) -> Site:
    return replace(site, ray=replace(site.ray, version=version))


def test_nodes_have_rays_switch_and_logs_stay_complete() -> None:
    site = with_ray(WITH_HAPROXY, "2.60.0")
    env = head(spec(profile="throughput"), site).env
    assert (env[profile.SWITCH], env[profile.LINES_HELD]) == ("1", "1")
    assert profile.SWITCH not in head(spec(), site).env
    own = Spec.model_validate(
        {"name": "shop", "serve": {**APP, "profile": "throughput"}, "head": {"env": {profile.LINES_HELD: "50"}}}
    )
    assert head(own, site).env[profile.LINES_HELD] == "50"


@pytest.mark.parametrize(("version", "told"), [("2.20.0", True), ("2.55.0", False), ("2.60.0", False)])
def test_an_older_ray_has_no_such_switch_which_is_said(version: str, told: bool) -> None:
    site = with_ray(SITE, version)
    wanted = spec(profile="throughput")
    assert any("serve.profile: throughput changes nothing" in note for note in notes(wanted, site)) == told
    assert bool(profile.env(wanted, site.ray)) != told
    assert not any("profile" in note for note in notes(spec(), site))


def test_without_applications_it_means_nothing() -> None:
    bare = Spec.model_validate({"name": "shop", "serve": {"profile": "throughput"}})
    assert profile.env(bare, with_ray(SITE, "2.60.0").ray) == {}
