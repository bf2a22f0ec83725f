"""What an application may do with Ray while it is imported, tried on Ray's own modules without a cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.filterwarnings("ignore")


class Cluster:
    """Notes who asks for it; `there` once somebody has."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import ray
        from ray import serve

        self.asked: list[Any] = []
        self.there = False
        monkeypatch.setattr(ray, "is_initialized", lambda: self.there)
        monkeypatch.setattr(ray, "init", lambda *_, **options: self.asked.append(("ray's own", options)))
        monkeypatch.setattr(serve, "run", lambda *args, **options: self.asked.append(("run", args, options)))

    def connect(self, _init: Callable[..., Any], **options: Any) -> None:
        self.there = True
        self.asked.append(("connect", options))

    def start(self, _begin: Callable[..., Any]) -> None:
        self.asked.append("start")


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    return Cluster(monkeypatch)


def test_ray_init_waits_for_this_cluster_whatever_it_asks_for(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    import ray

    from daybreak.programs.deploy.diverted import diverted

    own = ray.init
    with diverted(cluster.connect, cluster.start):
        ray.init("auto", num_cpus=3, namespace="mine")
        ray.init()
    assert cluster.asked == [("connect", {"namespace": "mine"}), ("ray's own", {"ignore_reinit_error": True})]
    assert "test_diverted.py:" in capsys.readouterr().out
    assert ray.init is own


def test_a_task_at_the_top_of_a_module_connects_by_itself(cluster: Cluster) -> None:
    from ray._private.auto_init_hook import auto_init_ray

    from daybreak.programs.deploy.diverted import diverted

    with diverted(cluster.connect, cluster.start):
        auto_init_ray()
    assert cluster.asked == [("connect", {})]


def test_serve_run_comes_after_serve_has_been_started_as_the_spec_says(cluster: Cluster) -> None:
    from ray import serve

    from daybreak.programs.deploy.diverted import diverted

    with diverted(cluster.connect, cluster.start):
        serve.run("target", blocking=True, name="mine")
        serve.start(http_options={"port": 9})
    ran = ("run", ("target",), {"name": "mine"})
    assert cluster.asked == [("connect", {}), "start", ran, "start"]
