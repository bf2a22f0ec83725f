"""The deployment's own decisions, with stand-ins of Ray's functions."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from daybreak.programs.deploy import deploy, head, loading, proxy_options, remembered, submitting
from daybreak.programs.deploy.imports import OwnFiles
from daybreak.programs.deploy.progress import Status
from daybreak.programs.deploy.unchanged import Unchanged

SAME = Unchanged("/nowhere", OwnFiles("/nowhere"), {}, (), "i1")


@pytest.fixture
def job(tmp_path: Path) -> dict[str, Any]:
    applications = [{"name": "default", "route": "/"}]
    reached = {"http": {"host": "127.0.0.1", "port": 8000}, "config": None}
    return {**reached, "applications": applications, "drain_s": 30.0}


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
    status = Status(str(tmp_path / "status.json"), "i1")
    submitting.deploy_imported(job, ["main"], status, time.monotonic() + 60, SAME)
    assert (ends, deployed) == ([], ["main"])


def test_serve_is_started_anew_for_other_doors_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    serve = pytest.importorskip("ray.serve")
    ended: list[str] = []
    monkeypatch.setattr(serve, "shutdown", lambda: ended.append("serve"))
    status = Status(str(tmp_path / "status.json"), "i1")

    def open_doors(head: str = "n1", **job: Any) -> int:
        """How often Serve was ended for this request."""
        before = len(ended)
        known = remembered.Deployed(str(tmp_path / "deployed.json"), head)
        known.add({"default": "/"}, by_config=True)
        deploy.open_doors({"http": {"host": "127.0.0.1", "port": 8000}, "config": None, **job}, known, status)
        assert bool(known.names) is (len(ended) == before)
        return len(ended) - before

    at_8000 = {"port": 8000, "host": "127.0.0.1"}
    written: dict[str, Any] = {
        "proxy_location": "HeadOnly",
        "http_options": at_8000,
        "logging_config": {"encoding": "JSON"},
    }
    assert open_doors() == 0
    assert open_doors() == 0
    assert open_doors(config=written) == 0
    assert open_doors(config={**written, "grpc_options": {"port": 9000, "grpc_servicer_functions": []}}) == 0
    assert open_doors(config={**written, "grpc_options": {"port": 9000, "grpc_servicer_functions": ["a:b"]}}) == 1
    assert open_doors(config={**written, "http_options": {**at_8000, "root_path": "/shop"}}) == 1
    assert open_doors(http={"host": "127.0.0.1", "port": 8050}) == 1
    assert open_doors(http={"host": "127.0.0.1", "port": 8050}) == 0
    assert open_doors("n2", http={"host": "127.0.0.1", "port": 8051}) == 0


def test_the_head_is_known_also_where_the_driver_is_on_a_worker_of_the_same_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ray = pytest.importorskip("ray")
    nodes = [
        {"NodeID": "w", "Resources": {"CPU": 1.0}},
        {"NodeID": "h", "Resources": {"CPU": 1.0, "node:__internal_head__": 1.0}},
    ]
    monkeypatch.setattr(ray, "nodes", lambda: nodes)
    assert head.head_id({}) == "h"


def test_a_head_that_came_back_is_the_same_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ray = pytest.importorskip("ray")
    monkeypatch.setattr(ray, "nodes", lambda: [{"NodeID": "h", "Resources": {"node:__internal_head__": 1.0}}])
    named = tmp_path / "session_name"
    assert head.head_id({"session_file": str(named)}) == "h"
    named.write_text("session_1\n")
    assert head.head_id({"session_file": str(named)}) == "session_1"


@pytest.mark.parametrize("waits", [True, False])
def test_what_nobody_wants_goes_first_where_ray_waits_for_each_application(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, waits: bool
) -> None:
    serve = pytest.importorskip("ray.serve")
    done: list[str] = []
    if waits:
        monkeypatch.delattr(serve, "run_many", raising=False)
    else:
        monkeypatch.setattr(serve, "run_many", None, raising=False)
    monkeypatch.setattr(submitting, "delete", lambda names: done.extend(f"delete {name}" for name in sorted(names)))
    monkeypatch.setattr(submitting, "deploy_imported", lambda *_: done.append("deploy"))
    known = remembered.Deployed(str(tmp_path / "deployed.json"), "n1")
    known.add({"old": "/old"}, by_config=True)
    status = Status(str(tmp_path / "status.json"), "i1")
    submitting.submit({"config": None}, [], {"default": "/"}, known, status, time.monotonic() + 60, SAME)
    assert done[:2] == (["delete old", "deploy"] if waits else ["deploy", "delete old"])
    assert known.names == {"default"}


@pytest.mark.parametrize("config", [None, {"applications": [{"name": "default"}]}])
def test_a_version_is_not_deployed_where_replicas_would_find_the_folders_code(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, job: dict[str, Any], config: dict[str, Any] | None
) -> None:
    ray, _ = pytest.importorskip("ray"), pytest.importorskip("ray.serve")
    for name in ("none", "3"):
        (tmp_path / "code" / name).mkdir(parents=True)
    (tmp_path / "code" / "a").symlink_to("3")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    monkeypatch.setattr(deploy, "head_id", lambda _: "n1")
    monkeypatch.setattr(deploy, "load_all", lambda *_: [])
    monkeypatch.setattr(loading, "find_the_applications", lambda: None)
    monkeypatch.setattr(deploy, "submit", lambda *_: pytest.fail("it was deployed"))
    status_file = str(tmp_path / "status.json")
    link = str(tmp_path / "code" / "a")
    asked = {**job, "config": config, "code_link": link, "timeout_s": 5.0, "status_file": status_file}
    # A deployment of before has started Serve, with the same options.
    known = remembered.Deployed(str(tmp_path / "serve-deployed.json"), "n1")
    known.open(proxy_options.proxy_options_of(asked), follows=False)
    with pytest.raises(loading.Refused, match="would find the code of the spec's folder"):
        deploy.run(asked, Status(status_file, "i1"))


def test_serve_is_started_by_the_deployment_before_the_dashboard_gets_the_config(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, job: dict[str, Any]
) -> None:
    serve = pytest.importorskip("ray.serve")
    done: list[Any] = []
    monkeypatch.setattr(serve, "start", lambda **options: done.append(options))
    monkeypatch.setattr(submitting, "deploy_config", lambda *_, **__: done.append("config"))
    at: dict[str, Any] = {"proxy_location": "HeadOnly", "http_options": {"port": 8000}}
    asked = {**job, "config": {**at, "grpc_options": {}, "applications": [{"name": "default"}]}}
    known = remembered.Deployed(str(tmp_path / "deployed.json"), "n1")
    status = Status(str(tmp_path / "status.json"), "i1")
    submitting.submit(asked, [], {"default": "/"}, known, status, time.monotonic() + 60, SAME)
    assert done == [at, "config"]


@pytest.mark.parametrize(("way", "lower"), [({}, []), ({"redeploy": True}, [deploy.LOW])])
def test_what_answers_meanwhile_comes_first_but_not_where_somebody_waits_for_what_they_saved(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, job: dict[str, Any], way: dict[str, Any], lower: list[int]
) -> None:
    class Enough(Exception):
        pass

    def enough(_: Any) -> None:
        raise Enough

    found: list[int] = []
    monkeypatch.setattr("os.nice", found.append)
    monkeypatch.setattr("daybreak.programs.deploy.code_folder.work_in", enough)
    monkeypatch.setattr("daybreak.programs.deploy.surge.read_way", lambda _: way)
    asked, status = {**job, "timeout_s": 5.0}, Status(str(tmp_path / "status.json"), "i1")
    with pytest.raises(Enough):
        deploy.run(asked, status)
    assert found == lower
    way["changed_only"] = True
    with pytest.raises(Enough):
        deploy.run(asked, status)
    assert found == lower
