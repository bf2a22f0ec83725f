"""What a shell, or a program, is told of the cluster; and what of the shell's own goes."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from daybreak import api
from daybreak.cli import app, run

FOUND: dict[str, Any] = {
    "values": {"RAY_ADDRESS": "127.0.0.2:6380", "RAY_AUTH_TOKEN_PATH": "/secrets/ray-token", "PLAIN": "it's"},
    "files": {},
    "joined": {"no_proxy": ["localhost,127.0.0.2", ","]},
    "unset": ["RAY_AUTH_TOKEN"],
    "autoscaler_monitor": False,
    "base": "/project",
    "python": "/env/bin/python",
}
THEIRS = {
    "RAY_AUTH_TOKEN": "theirs",
    "no_proxy": "localhost,company.example",
    "PATH": "/usr/bin:/bin",
    "PYTHONPATH": "/x",
}


@pytest.fixture(autouse=True)
def _asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "environment", lambda _name: dict(FOUND))
    monkeypatch.setattr(os, "environ", dict(THEIRS))


def become(monkeypatch: pytest.MonkeyPatch, *command: str) -> dict[str, str]:
    """The environment of the program that `run` becomes."""
    seen: list[dict[str, str]] = []
    monkeypatch.setattr(os, "execvpe", lambda _file, _words, environment: seen.append(environment))
    run.become(None, ("--", *command))
    return seen[0]


def test_a_program_reaches_this_cluster_whatever_the_shell_says(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = become(monkeypatch, "serve", "status")
    assert "RAY_AUTH_TOKEN" not in environment  # Ray would prefer it to the file
    assert "RAY_AUTH_TOKEN_PATH" in environment
    assert environment["no_proxy"] == "localhost,127.0.0.2,company.example"
    assert environment["PATH"] == "/env/bin:/usr/bin:/bin"
    assert environment["PYTHONPATH"] == "/project:/x"


def test_the_printed_code_does_the_same_in_a_shell(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.argv", ["daybreak", "env"])
    assert app.run() == 0
    code = capsys.readouterr().out + "env"
    done = subprocess.run(["/bin/sh", "-c", code], env=THEIRS, cwd=tmp_path, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert "PLAIN=it's" in lines
    assert "no_proxy=localhost,127.0.0.2,company.example" in lines
    assert not [line for line in lines if line.startswith("RAY_AUTH_TOKEN=")]
    assert shlex.quote("it's") in code


@pytest.mark.parametrize("words", [["ray", "status"], ["/env/bin/ray", "status", "-v"]])
@pytest.mark.parametrize("monitor", [False, True])
def test_ray_status_asks_the_gcs_where_no_monitor_runs(
    monkeypatch: pytest.MonkeyPatch, words: list[str], monitor: bool
) -> None:
    monkeypatch.setitem(FOUND, "autoscaler_monitor", monitor)
    assert ("RAY_enable_autoscaler_v2" in become(monkeypatch, *words)) == (not monitor)
    assert "RAY_enable_autoscaler_v2" not in become(monkeypatch, "ray", "list", "nodes")


def test_ray_status_asks_the_gcs_from_within_a_container_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FOUND, "within", ["python", "stand_in.py", "socket", '{"argv": [], "cwd": "/"}'])
    monkeypatch.setitem(FOUND, "carried", {"WITHIN_RAY_ADDRESS": "head:6379"})
    environment = become(monkeypatch, "ray", "status")
    assert environment["WITHIN_RAY_enable_autoscaler_v2"] == "1"
    assert environment["WITHIN_RAY_ADDRESS"] == "head:6379"
