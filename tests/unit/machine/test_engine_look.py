"""What an engine offers to a cluster: only to look at it changes nothing on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from daybreak.docker import labels
from daybreak.machine import images
from daybreak.machine.survey import survey
from daybreak.paths import ClusterPaths
from daybreak.spec.model import Spec

RAY = {"version": "2.60.0", "python": "/opt/ray/bin/python", "scripts": "/opt/ray/bin"}


class Named:
    """Every image is there, and has Ray; the engine runs nothing, and has no network."""

    def list(self, *_: Any) -> list[dict[str, Any]]:
        return []

    def inspect(self, name: str) -> dict[str, Any]:
        return {"Id": f"sha256:{name}", "Config": {"User": "1000", "Labels": {labels.RAY: json.dumps(RAY)}}}


def content(folder: Path) -> dict[str, bytes | None]:
    found = {path: path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))}
    # What is known of an image by its id is no cluster's.
    return {str(path): text for path, text in found.items() if not path.name.startswith(images.FILE)}


@pytest.fixture
def client() -> Any:
    named = Named()
    return SimpleNamespace(images=named, containers=named, networks=named, info=dict)


@pytest.mark.parametrize("network", ["bridge", "host"])
def test_only_to_look_changes_nothing(tmp_path: Path, client: Any, network: str) -> None:
    paths = ClusterPaths("a", tmp_path / "home" / "a", tmp_path / "run" / "0123")
    (tmp_path / "run").mkdir()
    paths.ensure()
    spec = Spec.model_validate(
        {
            "name": "a",
            "backend": "docker",
            "docker": {"network": network},
            "databases": {"postgres": {}},
            "services": {"api": {"command": ("x",), "image": "api"}},
        }
    )
    before = content(tmp_path)
    looked = survey(spec, tmp_path, paths, client, only_look=True)
    assert content(tmp_path) == before
    kept = survey(spec, tmp_path, paths, client)
    assert content(tmp_path) != before
    assert looked.engine == kept.engine, "the same is told as will be"
