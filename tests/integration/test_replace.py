"""A whole app tier replaces another one while requests go on: good code, code that fails, and a killed keeper."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.restarts.code import app as loaded

from tests.helpers import until
from tests.integration.conftest import GATEWAY, Sandbox, make_sandbox
from tests.load import LONG, SHORT, STREAM, steady_load

pytestmark = [pytest.mark.ray, pytest.mark.skipif(not GATEWAY, reason="without a gateway nobody leads requests over")]

SPEC = """
head: {cpus: 2}
workers: {count: 1}
prometheus: false
serve: {applications: [{import: "app:main"}]}
services:
  beside: {command: [sleep, "100000"], needs: [serve]}
"""


def app(version: str, **what: bool) -> str:
    """That of the load, which answers at its route as well."""
    return loaded(version, **what).replace('@api.get("/short")', '@api.get("/")\n    @api.get("/short")')


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    sandbox = make_sandbox(tmp_path_factory.mktemp("replace"), "replace")
    sandbox.write(SPEC, app_py=app("1"))
    try:
        sandbox.run("up")
        yield sandbox
    finally:
        sandbox.tear_down()


def test_a_new_generation_takes_over_without_losing_a_request(cluster: Sandbox) -> None:
    before = cluster.column("pid")
    cluster.write(SPEC, app_py=app("2"))
    with steady_load(cluster.url, rate=30, kinds=(SHORT, LONG, STREAM)) as load:
        told = cluster.run("restart", "--replace", "--require-lossless").stderr
        until(lambda: "2" in load.report().versions, what="the new code answers")
    report = load.report()
    assert not report.failed, report
    assert "replace: the app tier starts anew beside the one that serves" in told
    after = cluster.column("pid")
    for name in ("gateway", "warm"):
        assert after[name] == before[name]
    for name in ("head", "worker-1", "beside"):
        assert after[name] not in (before[name], None)
        assert not Path(f"/proc/{before[name]}").exists()


def test_code_that_fails_never_gets_a_request(cluster: Sandbox) -> None:
    before = cluster.column("pid")
    with steady_load(cluster.url, rate=20, kinds=(SHORT, LONG)) as load:
        cluster.write(SPEC, app_py=app("3", imports=False))
        refused = cluster.run("restart", "--replace", code=1)
        assert "app.py" in refused.stderr
        assert "the version before still serves" in refused.stderr
        cluster.write(SPEC, app_py=app("3", answers=False))
        refused = cluster.run("restart", "--replace", code=1)
        assert "answers GET / with 500" in refused.stderr
        assert "the version before still serves" in refused.stderr
    report = load.report()
    assert not report.failed, report
    assert set(report.versions) == {"2"}
    assert cluster.column("pid") == before


def test_a_keeper_killed_in_between_leaves_the_generation_that_serves(cluster: Sandbox) -> None:
    before = cluster.column("pid")
    cluster.write(SPEC, app_py=app("4"))
    with steady_load(cluster.url, rate=20, kinds=(SHORT, LONG)) as load:
        command = cluster.popen("restart", "--replace")
        heads = cluster.root / "services"
        until(lambda: len(list(heads.glob("head.*.json"))) == 2, what="there are two heads")
        os.kill(int((cluster.root / "keeper.lock").read_text()), signal.SIGKILL)
        command.communicate(timeout=60)
        assert cluster.column("state")["head"] == "ready"  # a new keeper
        until(lambda: len(list(heads.glob("*.json"))) == len(before), what="the new generation has ended")
    report = load.report()
    assert not report.failed, report
    assert cluster.column("pid") == before
    cluster.run("restart", "--replace")
    assert "4" in str(cluster.get())
