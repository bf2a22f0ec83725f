"""Versions of one deployment share their class of replicas."""

from __future__ import annotations

import importlib
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from daybreak.programs.warm import after_import, replica_class

info = pytest.importorskip(replica_class.MODULE)


@pytest.fixture(autouse=True)
def _as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    own = vars(info.DeploymentInfo)[replica_class.PROPERTY]
    monkeypatch.setattr(info.DeploymentInfo, replica_class.PROPERTY, own)


def deployed(name: str) -> Any:
    """A version of a deployment, as the controller has it."""
    config = importlib.import_module("ray.serve._private.config")
    return info.DeploymentInfo(
        deployment_config=config.DeploymentConfig(),
        replica_config=config.ReplicaConfig.create(lambda: None),
        start_time_ms=0,
        deployer_job_id="01",
        actor_name=name,
    )


def test_versions_of_one_deployment_share_it_and_others_have_their_own() -> None:
    assert deployed("shop#A").actor_def is not deployed("shop#A").actor_def
    replica_class.share(info)
    first, second, other = deployed("shop#A"), deployed("shop#A"), deployed("shop#B")
    assert first.actor_def is second.actor_def
    assert first.actor_def is first.actor_def
    assert other.actor_def is not first.actor_def
    assert [one.actor_def.__ray_metadata__.class_name for one in (first, other)] == ["shop#A", "shop#B"]


def test_what_another_ray_has_instead_is_left_alone() -> None:
    class Other:
        @property
        def actor_def(self) -> object:
            return object()

    own = vars(Other)["actor_def"]
    for module in (SimpleNamespace(), SimpleNamespace(DeploymentInfo=Other)):
        replica_class.share(module)
    assert vars(Other)["actor_def"] is own


def test_a_module_is_changed_when_it_has_run(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "changed_later.py").write_text("value = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    finders, seen = list(sys.meta_path), []
    after_import.call("changed_later", lambda module: seen.append(module.value))
    assert seen == []
    importlib.import_module("changed_later")
    del sys.modules["changed_later"]
    importlib.import_module("changed_later")
    del sys.modules["changed_later"]
    assert seen == [1]
    assert sys.meta_path == finders
