"""What is wanted, when it is looked at anew, and when what was found before still counts."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from daybreak.keeper.backends.both_backends import Backends
from daybreak.keeper.control import owner
from daybreak.keeper.control.request import Request
from daybreak.keeper.control.stored_state import Stored
from daybreak.keeper.planning.intent import wanted_by
from daybreak.keeper.wanted.desired import Desired
from daybreak.keeper.wanted.wanted_state import WantedState
from daybreak.paths import ClusterPaths
from daybreak.services.site import Site
from daybreak.spec.model import Spec
from tests.unit.services.test_serving import site

SPEC = {"name": "shop", "serve": {"applications": [{"import": "app:main"}]}, "workers": {"count": 1}}


class Source:
    """An application that is edited."""

    affinity = ""

    def survey(self, *_: Any, **__: Any) -> Site:
        return site(None, affinity=self.affinity)


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Source:
    monkeypatch.setattr(owner, "require", lambda *_: None)
    return Source()


def test_what_is_wanted_outlives_a_power_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    monkeypatch.setattr(os, "fsync", seen.append)
    WantedState(Spec.model_validate(SPEC), str(tmp_path)).save(tmp_path / "wanted.json")
    assert seen


def test_commands_begin_with_what_was_given_and_know_that_dev_has_added_to_it(tmp_path: Path) -> None:
    given = Spec.model_validate(SPEC)
    path = tmp_path / "wanted.json"
    added = given.model_copy(update={"head": given.head.model_copy(update={"cpus": 4.0})})
    WantedState(added, str(tmp_path), given=given).save(path)
    stored = Stored.load(path)
    assert stored
    assert stored.by_dev
    assert Spec.model_validate(stored.spec) == given
    WantedState(added, str(tmp_path)).save(path)
    stored = Stored.load(path)
    assert stored
    assert not stored.by_dev
    assert Spec.model_validate(stored.spec) == added


def test_an_edit_of_the_source_replaces_no_head_but_with_up_and_restart(tmp_path: Path, source: Source) -> None:
    paths = ClusterPaths(name="shop", root=tmp_path / "shop", runtime=tmp_path / "run")
    paths.ensure()
    up = {"spec": SPEC, "base": str(tmp_path)}

    def stored() -> Desired:
        state = WantedState.load(paths.wanted)
        place = Backends(paths, state.spec if state else None)
        place.engine.survey = source.survey  # type: ignore[method-assign]
        return Desired(paths, state, place, print)

    def asked(request: dict[str, Any], desired: Desired) -> str:
        wanted = wanted_by(Request.from_json({"op": "apply", **request}), desired.state)
        target = asyncio.run(desired.target(wanted))
        desired.take_over(target)
        return target.cluster.site.affinity

    desired = stored()
    assert asked(up, desired) == ""
    source.affinity = "app.py:3 (serve.multiplexed)"
    assert asked({"workers": 0}, desired) == ""
    # A new keeper goes on with what is stored.
    assert asked({"workers": 1}, stored()) == ""
    assert asked({"restart": True}, desired) == source.affinity
    source.affinity = ""
    assert asked({"workers": 0}, desired) == "app.py:3 (serve.multiplexed)"
    assert asked(up, desired) == ""
