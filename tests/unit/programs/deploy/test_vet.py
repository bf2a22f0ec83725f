"""The program that tries an application before anything is touched, with Ray and without a cluster."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

pytestmark = pytest.mark.filterwarnings("ignore")

NODES = [{"name": "head", "CPU": 2, "GPU": None, "memory": None}]
GOOD = """
from ray import serve

@serve.deployment(num_replicas=2, ray_actor_options={"num_cpus": 1.5})
class Model:
    def __init__(self, other):
        pass

@serve.deployment(autoscaling_config={"min_replicas": 0, "max_replicas": 5})
class Small:
    pass

main = Model.bind(Small.bind())
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for name, text in {
        "vet_good": GOOD,
        "vet_broken": "import vet_missing_library\n",
        "vet_wants_ray": "import ray\ntry:\n    ray.init()\nexcept Exception:\n    pass\nboom\n",
        "vet_env": "import os\nos.environ['VET_GIVEN']\nfrom vet_good import main\n",
    }.items():
        (tmp_path / f"{name}.py").write_text(dedent(text))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith("vet_"):
            del sys.modules[name]


def looked(*paths: str, config: dict[str, Any] | None = None, cpus: int = 2) -> dict[str, Any]:
    from daybreak.programs.deploy.vet import vet

    entries = [{"import": path, "name": path.partition(":")[0], "route": "/", "args": {}} for path in paths]
    return vet({"applications": entries, "config": config, "nodes": [{**NODES[0], "CPU": cpus}]})


def test_every_problem_is_found_at_once() -> None:
    found = looked("vet_good:main", "vet_broken:main", "vet_good:mine")
    missing = "ModuleNotFoundError: No module named 'vet_missing_library' (vet_broken.py:1)"
    assert [problem["reason"] for problem in found["problems"]] == [
        f"vet_broken:main cannot be imported: {missing}",
        f"vet_good:mine cannot be imported: {Path.cwd()}/vet_good.py has no 'mine'; its applications: main",
        "the applications ask for 3 CPUs (Model), and the nodes offer 2 CPUs (head 2, no workers)",
    ]
    assert found["problems"][2]["hint"].startswith("write head: {cpus: 3}")
    assert not looked("vet_good:main", cpus=4)["problems"]


def test_what_the_deployments_ask_for() -> None:
    rows = {row["deployment"]: row for row in looked("vet_good:main")["asks"]}
    assert (rows["Model"]["replicas"], rows["Model"]["each"]["CPU"]) == (2, 1.5)
    assert rows["Small"]["replicas"] == 0


def test_an_application_that_reaches_for_ray_is_unknown_and_reaches_nothing() -> None:
    found = looked("vet_wants_ray:main")
    assert not found["problems"]
    assert found["unknown"] == ["application vet_wants_ray: it needs Ray while it is imported (vet_wants_ray.py:3)"]


def test_applications_of_a_config_with_what_it_overrides() -> None:
    smaller = {"name": "Model", "num_replicas": 1}
    given = {"import_path": "vet_env:main", "runtime_env": {"env_vars": {"VET_GIVEN": "1"}}, "deployments": [smaller]}
    assert not looked(config={"applications": [given]})["problems"]
    larger = {"name": "Model", "num_replicas": 1, "ray_actor_options": {"num_cpus": 5}}
    problems = looked(config={"applications": [{**given, "deployments": [larger]}]})["problems"]
    assert "a replica of Model asks for 5 CPUs on one node" in problems[0]["reason"]
    scaled = {"applications": [{**given, "deployments": [larger]}], "target_capacity": 10}
    assert not looked(config=scaled)["problems"]


def test_code_that_comes_from_elsewhere_is_unknown() -> None:
    found = looked(config={"applications": [{"import_path": "nowhere:main", "runtime_env": {"pip": ["x"]}}]})
    assert (found["problems"], found["unknown"]) == ([], ["application default: its runtime_env has pip"])


def test_a_config_that_ray_does_not_take() -> None:
    assert "no config that Ray takes: applications: " in looked(config={})["problems"][0]["reason"]


def test_an_import_that_hangs_is_told_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from daybreak.programs.deploy import vet

    ended = threading.Event()
    monkeypatch.setattr("os._exit", lambda _: ended.set())
    vet.give_up(str(tmp_path / "report.json"), 0.01)
    assert ended.wait(30)
    (problem,) = json.loads((tmp_path / "report.json").read_text())["problems"]
    assert problem["reason"].startswith("the applications are not imported within 0.01 s: they wait in ")
    assert "test_vet.py:" in problem["reason"]


def test_the_deployment_keeps_what_its_replicas_ask_for_and_refuses_what_never_fits(tmp_path: Path) -> None:
    from daybreak.programs.deploy import room

    job = {"status_file": str(tmp_path / "status.json"), "nodes_file": str(tmp_path / "nodes.json")}
    (tmp_path / "nodes.json").write_text(json.dumps(NODES))
    asked = [{"application": "a", "deployment": "Model", "replicas": 2, "each": {"CPU": 1}}]
    room.refuse_shortage(job, asked)
    assert json.loads((tmp_path / "serve-asks.json").read_text()) == asked
    with pytest.raises(Exception, match="the applications ask for 4 CPUs"):
        room.refuse_shortage(job, [{**asked[0], "replicas": 4}])
    room.refuse_shortage({**job, "nodes_file": None}, [{**asked[0], "replicas": 4}])
