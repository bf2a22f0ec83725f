"""Logs of other machines beside those of this one."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from daybreak.cli.app import app
from daybreak.cli.common.host_logs import parted
from daybreak.keeper.control import client
from daybreak.paths import ClusterPaths

HERE = "2026-11-25 10:08:47,000 INFO here"


@pytest.mark.parametrize(
    ("named", "here", "there"),
    [
        ([], [], {"far": [], "b": []}),
        (["head"], ["head"], {}),
        (["far"], [], {"far": []}),
        (["far/worker-1", "far/serve", "head"], ["head"], {"far": ["worker-1", "serve"]}),
        (["far", "far/worker-1"], [], {"far": []}),
        (["serve"], ["serve"], {"far": ["serve"], "b": ["serve"]}),
        (["workers", "b"], ["workers"], {"far": ["workers"], "b": []}),
    ],
)
def test_what_is_here_and_what_is_there(named: list[str], here: list[str], there: dict[str, list[str]]) -> None:
    assert parted(named, ["far", "b"]) == (here, there)


class Keeper:
    """Answers as one with two hosts, of which the first has written something and the second is lost."""

    def __init__(self, at: float) -> None:
        self.at, self.asked = at, list[Mapping[str, Any]]()

    @contextlib.contextmanager
    def __call__(self, _: ClusterPaths, op: str, *, start: bool, **fields: Any) -> Iterator[Any]:
        assert not start
        if op == "status":
            far = {"name": "far", "state": "ready", "clock_ahead_s": 60.0}
            yield Answer({"hosts": [far, {"name": "b", "state": "lost"}]})
            return
        self.asked.append(fields)
        entry = {"at": self.at, "level": "INFO", "service": "worker-1", "label": "worker-1/x", "path": "/x"}
        yield [
            {"said": {}},
            {"said": {"entry": {**entry, "lines": ["there"]}}},
            {"said": {"now": True}},
            {"result": {}},
        ]


class Answer:
    def __init__(self, result: Mapping[str, Any]) -> None:
        self._result = result

    def set_timeout(self, _: float) -> None: ...

    def result(self) -> Mapping[str, Any]:
        return self._result


@pytest.fixture
def keeper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Keeper:
    monkeypatch.setenv("DAYBREAK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAYBREAK_RUNTIME", str(tmp_path / "runtime"))
    paths = ClusterPaths.of("shop")
    paths.logs.mkdir(parents=True)
    (paths.logs / "api.log").write_text(f"{HERE}\n")
    paths.hosts_book.parent.mkdir()
    paths.hosts_book.write_text(json.dumps({"hosts": {"far": {}, "b": {}}}))
    made = Keeper(time.time())
    monkeypatch.setattr(client, "request", made)
    return made


def run(*words: str) -> Any:
    done = CliRunner().invoke(app, ["logs", "-n", "shop", *words], standalone_mode=False)
    assert done.exception is None, done.exception
    return done


def test_lines_of_all_machines_are_in_the_order_of_this_clock(keeper: Keeper) -> None:
    told = json.loads(run("--json").stdout.splitlines()[0])["time"]
    assert told.startswith("2026-11-25T10:08:47")
    # That of there was written 60 s before by its own clock's account, a second before this one's.
    keeper.at = parsed(told) + 60.0 - 1.0
    done = run()
    assert [line.split("|")[1].strip() for line in done.stdout.splitlines()] == ["there", HERE]
    assert done.stdout.startswith("far/worker-1/x ")
    assert "host b is lost" in done.stderr
    assert "the clock of host far is 60.0 s ahead" in done.stderr


def test_only_what_is_named_is_asked_for(keeper: Keeper) -> None:
    assert "there" not in run("api").stdout
    assert not keeper.asked
    done = run("far/worker-1", "--level", "warning")
    assert HERE not in done.stdout
    (asked,) = keeper.asked
    assert (asked["host"], asked["logs"]["services"]) == ("far", ["worker-1"])
    assert asked["logs"]["selection"]["level"] == "WARNING"


def test_what_is_everywhere_may_be_on_other_machines_alone(keeper: Keeper) -> None:
    assert [line.split("|")[1].strip() for line in run("workers").stdout.splitlines()] == ["there"]
    assert keeper.asked[0]["logs"]["services"] == ["workers"]


def test_without_other_machines_no_keeper_is_asked(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    ClusterPaths.of("shop").hosts_book.unlink()
    monkeypatch.setattr(client, "request", None)
    assert "here" in run().stdout


def parsed(text: str) -> float:
    import datetime

    return datetime.datetime.fromisoformat(text).timestamp()
