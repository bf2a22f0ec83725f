"""`daybreak job`: what it shows, refuses, and ends with."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from daybreak import api
from daybreak.api import jobs_api
from daybreak.cli.app import app
from daybreak.cli.job.submit import given
from daybreak.errors import DaybreakError, UsageError
from daybreak.extras.jobs.rest import JobsApi
from daybreak.paths import ClusterPaths
from daybreak.spec.names import as_name
from tests.unit.extras.jobs.dashboard import Dashboard, answering, details

Call = Callable[..., Any]


@pytest.fixture
def dashboard() -> Dashboard:
    return Dashboard(
        jobs={
            "a": details("a", "FAILED", start_time=1000, end_time=3500, driver_exit_code=7, message="it failed"),
            "b": details("b", start_time=2000),
            "01000000": {"job_id": "01000000", "status": "RUNNING", "type": "DRIVER"},
        },
        texts=[["one\n"]],
        log="one\ntwo\n",
    )


@pytest.fixture
def call(dashboard: Dashboard, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Call]:
    monkeypatch.chdir(tmp_path)
    with answering(dashboard) as jobs:

        def its(name: str | None = None) -> JobsApi:
            return jobs

        monkeypatch.setattr(api, "jobs", its)
        yield lambda *words: CliRunner().invoke(app, ["job", *words], standalone_mode=False)


def test_the_list_and_one(call: Call) -> None:
    lines = call("list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["ID", "a", "b"]
    assert "failed (7)" in lines[1]
    assert "2.5 s" in lines[1]
    assert len(json.loads(call("list", "--all", "--json").stdout)) == 3
    assert "it failed" in call("status", "a").stdout
    assert json.loads(call("status", "--json").stdout)["id"] == "b"


def test_logs_of_the_newest(call: Call) -> None:
    assert call("logs").stdout == "one\ntwo\n"
    assert call("logs", "-l", "1").stdout == "two\n"
    assert call("logs", "-l", "0").stdout == ""
    assert isinstance(call("logs", "-f", "-l", "1").exception, UsageError)
    assert isinstance(call("logs", "01000000").exception, UsageError)


def test_a_file_gets_no_colours(call: Call, dashboard: Dashboard) -> None:
    dashboard.log = "\x1b[36m(task pid=1)\x1b[0m one\n"
    assert call("logs").stdout == "(task pid=1) one\n"


def test_a_followed_job_ends_the_command_with_its_code(call: Call, dashboard: Dashboard) -> None:
    done = call("logs", "-f", "a")
    assert done.return_value == 0  # the dashboard says SUCCEEDED once it was followed
    assert "one\n" in done.stdout


def test_submitting(call: Call, dashboard: Dashboard, tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text("print()")
    done = call("submit", "--id", "c", "-e", "K=a b", "--no-wait", "--", "python", "x.py", "two words")
    assert done.stdout == "c\n"
    asked = dashboard.submitted[0]
    assert asked["entrypoint"] == "python x.py 'two words'"
    assert asked["runtime_env"]["env_vars"] == {"K": "a b"}
    assert asked["runtime_env"]["working_dir"].startswith("gcs://_ray_pkg_")


def test_what_the_spec_reads_secrets_from_is_not_sent(call: Call, tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    for name in ("x.py", ".env", "keys/key.txt", "api.env"):
        (tmp_path / name).write_text(name)
    paths = ClusterPaths.of(as_name(tmp_path.name))
    paths.ensure()
    spec = {
        "name": paths.name,
        "secrets": {"key": {"file": "keys/key.txt"}},
        "services": {"api": {"command": ["x"], "env_file": "api.env"}},
        "databases": {"postgres": {"password_file": "db.txt"}},
    }
    paths.wanted.write_text(json.dumps({"spec": spec, "base": str(tmp_path)}))
    assert {path.name for path in api.files_with_secrets()} == {".env", "key.txt", "api.env", "db.txt"}
    done = call("submit", "--no-wait", "--id", "c", "--", "x")
    assert "not sent, since they hold secrets: .env, api.env, keys/key.txt" in done.stderr
    assert "(1 file, " in done.stderr


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--id", "a", "--", "x"), "there is a job a already"),
        (("--id", "a/b", "--", "x"), "letters, digits"),
        (("--working-dir", "nowhere", "--", "x"), "is no folder"),
        (("-e", "NOWHERE_SET", "-e", "1x=2", "--", "x"), "NOWHERE_SET.*; .*'1x' is no name"),
    ],
)
def test_what_is_refused(call: Call, dashboard: Dashboard, words: tuple[str, ...], reason: str) -> None:
    done = call("submit", *words)
    assert isinstance(done.exception, UsageError)
    assert "nothing was submitted" in str(done.exception)
    assert re.search(reason, str(done.exception))
    assert not dashboard.submitted


def test_stopping_names_what_is_unknown_and_stops_nothing(call: Call, dashboard: Dashboard) -> None:
    done = call("stop", "b", "nowhere")
    assert isinstance(done.exception, DaybreakError)
    assert dashboard.jobs["b"]["status"] == "RUNNING"
    assert "job b: stopped" in call("stop", "b", "a").stderr


def test_variables_of_the_shell() -> None:
    assert given(("A=1", "B", "C="), {"B": "secret"}) == {"A": "1", "B": "secret", "C": ""}


def test_a_cluster_without_a_dashboard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_api, "environment", lambda _: {"values": {"RAY_ADDRESS": "127.0.0.1:6380"}})
    with pytest.raises(UsageError, match="has no jobs API: its spec has `dashboard: false`"):
        jobs_api.jobs("it")
