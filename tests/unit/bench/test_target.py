"""Whose a process is: a fork of the warm template is its service's, though it is a child of the template."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from bench.faults.target import Target

from daybreak.backends.process import members
from daybreak.paths import ClusterPaths

FORK, TEMPLATE, NODE = 30, 20, 10


class Scan:
    """The template has its forks below it, the head is told of its own."""

    def members(self, instance: str, pid: int, *_: object, forks: list[int], **__: object) -> list[SimpleNamespace]:
        pids = [pid, FORK] if instance == "w" else [pid, *forks]
        return [SimpleNamespace(pid=each, parent=1, started_ticks=1, comm="python") for each in pids]


@pytest.mark.parametrize("names", [("head", "warm"), ("warm", "head")])
def test_a_fork_is_its_services_whoever_is_looked_at_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: tuple[str, str]
) -> None:
    paths = ClusterPaths(name="a", root=tmp_path / "state", runtime=tmp_path / "run")
    paths.records.mkdir(parents=True)
    pids = {"head": NODE, "warm": TEMPLATE}
    for number, name in enumerate(names):
        stop = {"working_name": "", "working_folder": ""}
        record = {"service": name, "instance": name[0], "pid": pids[name], "started_ticks": 1, "stop": stop}
        (paths.records / f"{number}.json").write_text(json.dumps(record))
    monkeypatch.setattr(members, "Scan", Scan)
    monkeypatch.setattr(members, "forks", lambda _: {FORK: SimpleNamespace(instance="h")})
    unused: Any = dict
    found = {one.pid: one.service for one in Target(paths, "", 0, unused).processes()}
    assert found == {NODE: "head", TEMPLATE: "warm", FORK: "head"}
