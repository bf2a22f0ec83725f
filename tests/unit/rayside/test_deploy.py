"""The deployment's own decisions, with stand-ins of Ray's functions."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from daybreak.rayside import deploy


@pytest.fixture
def job(tmp_path: Path) -> dict[str, Any]:
    return {"http": {"host": "127.0.0.1", "port": 8000}, "applications": [{"name": "default", "route": "/"}]}


def test_a_proxy_that_dies_while_serve_starts_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, job: dict[str, Any]
) -> None:
    ray, serve = pytest.importorskip("ray"), pytest.importorskip("ray.serve")
    from ray.exceptions import RayError

    ends: list[Exception | None] = [RayError("the proxy died"), TimeoutError("not available after 60 s"), None]
    deployed: list[str] = []

    def start(**_: Any) -> None:
        if error := ends.pop(0):
            raise error

    monkeypatch.setattr(serve, "start", start)
    monkeypatch.setattr(serve, "run", lambda target, **_: deployed.append(target))
    monkeypatch.setattr(serve, "run_many", lambda targets, **_: deployed.append("main"), raising=False)
    monkeypatch.setattr(serve, "RunTarget", lambda target, **_: target, raising=False)
    monkeypatch.setattr(ray, "get_actor", lambda *_, **__: object())
    status = deploy.Status(str(tmp_path / "status.json"), "i1")
    deploy.deploy_imported(job, ["main"], status, time.monotonic() + 60)
    assert (ends, deployed) == ([], ["main"])
