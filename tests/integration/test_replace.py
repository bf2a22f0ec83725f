"""A whole app tier replaces another one while requests go on: good code, code that fails, a killed keeper, and a way
back to the one of before."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bench.restarts.code import app as loaded

from daybreak.backends.process.procfs import Process, processes
from tests.helpers import until
from tests.integration.conftest import GATEWAY, Sandbox, make_sandbox
from tests.load import LONG, SHORT, STREAM, WEBSOCKET, Outcome, steady_load

pytestmark = [pytest.mark.ray, pytest.mark.skipif(not GATEWAY, reason="without a gateway nobody leads requests over")]

SPEC = """
head: {cpus: 2}
workers: {count: 1}
prometheus: false
gateway: {rehearse: true}
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
    with steady_load(cluster.url, rate=30, kinds=(SHORT, LONG, STREAM, WEBSOCKET)) as load:
        told = cluster.run("restart", "--replace", "--require-lossless").stderr
        until(lambda: "2" in load.report().of(SHORT).versions, what="the new code answers")
        until(lambda: "2" in load.report().of(WEBSOCKET).versions, what="WebSockets are made anew")
    report = load.report()
    assert not report.failed, report
    # Chats never end by themselves: who answers them has told them to come again.
    assert not report.of(WEBSOCKET).outcomes[Outcome.CUT], report
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
        # At the application's route, where it is asked first, there is nothing: that is no failure.
        cluster.write(SPEC, app_py=loaded("3", answers=False))
        refused = cluster.run("restart", "--rehearse", code=1)
        assert re.search(r"rehearsed requests otherwise: .*GET /short\S*: status 500 instead of 200", refused.stderr)
        assert "the version before still serves" in refused.stderr
    report = load.report()
    assert not report.failed, report
    assert set(report.versions) == {"2"}
    assert cluster.column("pid") == before


def test_a_keeper_killed_in_between_costs_no_request_and_another_one_begins_again(cluster: Sandbox) -> None:
    before = cluster.column("pid")
    cluster.write(SPEC, app_py=app("4"))
    with steady_load(cluster.url, rate=20, kinds=(SHORT, LONG)) as load:
        command = cluster.popen("restart", "--replace")
        heads = cluster.root / "services"
        until(lambda: len(list(heads.glob("head.*.json"))) == 2, what="there are two heads")
        os.kill(int((cluster.root / "keeper.lock").read_text()), signal.SIGKILL)
        _, told = command.communicate(timeout=240)
        assert command.returncode == 0, told
        assert "the keeper went away while it was working" in told
        until(lambda: len(list(heads.glob("*.json"))) == len(before), what="nothing of the others is left")
    report = load.report()
    assert not report.failed, report
    assert set(report.versions) == {"2", "4"}
    after = cluster.column("pid")
    assert after["gateway"] == before["gateway"]
    assert after["head"] != before["head"]
    assert "4" in str(cluster.get())


def test_what_is_kept_serves_again_without_losing_a_request_and_ends_in_time(cluster: Sandbox) -> None:
    cluster.write(SPEC, app_py=app("4"))
    cluster.run("restart", "--replace")
    before = cluster.column("pid")
    old = processes_of(cluster, ("head", "worker-1"))
    cluster.write(SPEC, app_py=app("5"))
    with steady_load(cluster.url, rate=20, kinds=(SHORT, LONG, STREAM)) as load:
        cluster.run("restart", "--keep-old", "5m", "--require-lossless")
        until(lambda: "5" in load.report().versions, what="the new code answers")
        assert {row.state for row in old()} == {"T"}
        assert cluster.status()["kept"]["version"] == cluster.status()["version"]["number"] - 1
        told = cluster.run("rollback").stderr
        returned_s = time.monotonic()
        until(lambda: load.report().due_after(returned_s).versions, what="what was asked since is answered")
    report = load.report()
    assert not report.failed, report
    assert report.due_after(returned_s).versions == {"4"}
    assert "was kept, and answers after" in told
    after = cluster.column("pid")
    assert all(after[name] == before[name] for name in ("head", "worker-1", "gateway", "warm"))
    assert (cluster.status()["kept"], cluster.status()["version"]["rolled_back"]) == (None, True)
    # And the other way round, without a way back that anybody goes.
    cluster.run("restart", "--keep-old", "1s")
    until(lambda: cluster.status()["kept"] is None and not old(), what="what was kept has ended")
    assert "5" in str(cluster.get())
    assert cluster.status()["state"] == "ready"
    until(lambda: len(list((cluster.root / "services").glob("*.json"))) == len(before), what="no record is left")


def test_a_canary_that_answers_with_errors_goes_back_by_itself(cluster: Sandbox) -> None:
    cluster.write(SPEC, app_py=app("6"))
    cluster.run("restart", "--redeploy")
    # At the route of the application, where it is asked first, there is nothing: that is no failure.
    cluster.write(SPEC, app_py=loaded("7", answers=False))
    with steady_load(cluster.url, rate=40, kinds=(SHORT,)) as load:
        told = cluster.run("restart", "--canary", "30%:60s", code=1).stderr
        back_s = time.monotonic()
        until(lambda: load.report().since(back_s).requests, what="requests go on")
    assert "requests to the new version failed or were answered with an error, 0 of" in told
    assert "the version before still serves" in told
    # What the new code has failed the old one has answered.
    assert not load.report().failed
    assert set(load.report().versions) == {"6"}
    cluster.write(SPEC, app_py=app("8"))
    with steady_load(cluster.url, rate=40, kinds=(SHORT, LONG)) as load:
        told = cluster.run("restart", "--rehearse", "--canary", "10%:1s,50%:1s", "--require-lossless").stderr
        until(lambda: "8" in load.report().versions, what="the new code answers")
    assert not load.report().failed, load.report()
    assert int(re.findall(r", rehearsed (\d+)$", told, re.MULTILINE)[0]) > 0


def processes_of(cluster: Sandbox, nodes: tuple[str, ...]) -> Callable[[], list[Process]]:
    """Looks for what there is, by then, of the processes that these have now, their forks included."""
    known = {(row.pid, row.started_ticks) for node in nodes for row in cluster.instance_processes(node)}
    return lambda: [row for row in processes() if (row.pid, row.started_ticks) in known]
