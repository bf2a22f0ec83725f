"""`daybreak init --from`: what it prints, writes and refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from daybreak.cli.app import app
from daybreak.errors import UsageError
from daybreak.spec import load_spec
from tests.unit.extras.init_from.projects import copied

Call = Callable[..., Any]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    monkeypatch.chdir(copied(tmp_path))
    return lambda *words: CliRunner().invoke(app, ["init", *words], standalone_mode=False)


def test_files_go_to_stdout_and_words_to_stderr(call: Call) -> None:
    done = call("--from", "app-3-watching.yaml")
    assert done.exception is None
    assert done.stdout.splitlines() == ["daybreak.yaml", ".daybreak/daybreak.schema.json"]
    assert load_spec(Path("daybreak.yaml")).spec.name == "project"
    lines = done.stderr.splitlines()
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == [
        "prometheus",
        "grafana",
        "node-exporter",
        "nginx",
        "web",
        "note:",
        "next:",
    ]
    assert max(map(len, lines)) <= 110
    again = call("--from", "app-3-watching.yaml")
    assert isinstance(again.exception, UsageError)
    assert "is there already" in again.exception.message


def test_a_dry_run_prints_the_spec_and_writes_nothing(call: Call) -> None:
    before = sorted(Path().rglob("*"))
    done = call("--from", "app-1-api.yaml", "--dry-run", "-n", "mine")
    assert "\nname: mine\n" in done.stdout
    assert sorted(Path().rglob("*")) == before


def test_json_for_other_programs(call: Call) -> None:
    found = json.loads(call("--from", "app-7-others.yaml", "--json", "--dry-run").stdout)
    assert found["written"] == []
    assert {one["name"]: one["became"] for one in found["services"]}["etl"] == "services.etl"
    assert all(one["became"] or one["reason"] for one in found["services"])


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--from", "app-1-api.yaml", "--force"), "overwrites nothing"),
        (("api", "--from", "app-1-api.yaml"), "belongs beside"),
        (("--from", "app-1-api.yaml", "-n", "No Name"), "no name for a cluster"),
        (("--from", "api"), r"no compose\.yaml"),
        (("--dry-run",), "belong to --from"),
    ],
)
def test_what_is_refused(call: Call, words: tuple[str, ...], reason: str) -> None:
    before = sorted(Path().rglob("*"))
    with pytest.raises(UsageError, match=reason):
        raise call(*words).exception
    assert sorted(Path().rglob("*")) == before
