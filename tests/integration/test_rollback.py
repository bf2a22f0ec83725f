"""Going back: to a version that is kept, on request or after code that is no good, while requests come all the time."""

from __future__ import annotations

import json
import time

import pytest

from tests.helpers import until
from tests.integration.conftest import RAY_RELEASE, Sandbox
from tests.load import SHORT, STREAM, app, steady_load

pytestmark = [
    pytest.mark.ray,
    pytest.mark.skipif(RAY_RELEASE < (2, 60), reason="Serve of this Ray cannot start before it stops"),
]

SPEC = """
head: {cpus: 4}
workers: {count: 0}
serve:
  applications: [{import: "app:main"}, {import: "other:main", name: other, route: /other}]
  start_timeout: 60s
# Code that is never healthy is known as such only after a while.
gateway: {hold: 120s}
"""
OTHER = """
from ray import serve

VERSION = "1"


@serve.deployment(ray_actor_options={"num_cpus": 0.1})
class Other:
    def __call__(self, request):
        return VERSION


main = Other.bind()
"""
WAITS_S = 120.0
RATE = 20.0
# The version is that of a module which replicas import by themselves: a deployment pickles a part of its own module.
LINE, IMPORT = 'VERSION = "1"', "from helper import VERSION"


def write(sandbox: Sandbox, version: str, *, healthy: bool = True) -> None:
    text = app("1", healthy=healthy).replace(LINE, IMPORT)
    sandbox.write(SPEC, app_py=text, helper_py=f'VERSION = "{version}"\n')


def version(sandbox: Sandbox) -> tuple[int, bool]:
    found = sandbox.status()["version"]
    return found["number"], found["rolled_back"]


@pytest.fixture(scope="module")
def cluster(shared: Sandbox) -> Sandbox:
    write(shared, "1")
    (shared.folder / "other.py").write_text(OTHER)
    shared.run("up")
    write(shared, "2")
    shared.run("restart")
    return shared


def test_rollback_returns_to_the_version_before_and_loses_no_request(cluster: Sandbox) -> None:
    before = cluster.column("pid")["head"]
    with steady_load(cluster.url, rate=RATE, kinds=(SHORT, STREAM)) as load:
        done = cluster.run("rollback")
        returned_s = time.monotonic()
        until(lambda: load.report().due_after(returned_s).versions, what="what was asked since is answered")
    report = load.report()
    assert report.due_after(returned_s).versions == {"1"}
    assert not report.failed, report
    assert "redeploy" in done.stderr
    assert "back to version 1" in done.stderr
    assert cluster.column("pid")["head"] == before
    assert version(cluster) == (1, True)
    assert [one["number"] for one in json.loads(cluster.run("versions", "--json").stdout)["versions"]] == [2, 1]
    assert 'VERSION = "2"' in (cluster.folder / "helper.py").read_text(), "the folder is left alone"


def test_up_leaves_it_so_and_a_restart_deploys_the_folder(cluster: Sandbox) -> None:
    before = cluster.column("instance")
    assert "version 1 is deployed" in cluster.run("up").stderr
    assert cluster.column("instance") == before
    cluster.run("restart")
    assert version(cluster) == (2, False)


def test_after_code_that_is_never_healthy_serve_is_told_the_version_before(cluster: Sandbox) -> None:
    write(cluster, "3", healthy=False)
    with steady_load(cluster.url, rate=RATE, kinds=(SHORT,), timeout_s=WAITS_S) as load:
        assert "the version before still serves" in cluster.run("restart", code=1).stderr
    report = load.report()
    assert not report.failed, report
    assert report.versions == {"2"}
    assert version(cluster) == (2, True)
    until(lambda: cluster.status()["state"] == "ready", what="Serve calls all of it well")


def test_in_place_the_version_before_comes_back_by_itself(cluster: Sandbox) -> None:
    with steady_load(cluster.url, rate=RATE, kinds=(SHORT,), timeout_s=WAITS_S) as load:
        error = cluster.run("restart", "--in-place", code=1).stderr
    assert "the version before serves again" in error
    report = load.report()
    assert not report.failed, report
    assert report.versions == {"2"}
    assert version(cluster) == (2, True)


def test_one_application_is_deployed_anew_and_the_other_is_left_alone(cluster: Sandbox) -> None:
    write(cluster, "4")
    cluster.run("restart")
    write(cluster, "5")
    (cluster.folder / "other.py").write_text(OTHER.replace('"1"', '"2"'))
    assert "it has default, other" in cluster.run("restart", "--app", "shop", code=2).stderr
    assert "application other alone" in cluster.run("restart", "--app", "other").stderr
    assert (cluster.get("/other"), cluster.get("/short")) == (2, 4)
    assert json.loads(cluster.run("versions", "--json").stdout)["versions"][0]["how"] == "redeploy other"


def test_a_version_that_there_is_not_changes_nothing(cluster: Sandbox) -> None:
    before = cluster.column("instance")
    assert "no version 7" in cluster.run("rollback", "7", code=2).stderr
    assert cluster.column("instance") == before
