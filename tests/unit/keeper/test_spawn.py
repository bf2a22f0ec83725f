"""A keeper is nobody's child: what looks at its ancestors does not find the command."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import psutil
import pytest

from daybreak.backends import procfs
from daybreak.keeper import client
from daybreak.paths import ClusterPaths
from tests.integration.conftest import until


def test_the_keeper_has_left_the_command_that_started_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="db", dir="/tmp") as runtime:
        monkeypatch.setenv("DAYBREAK_HOME", str(tmp_path))
        monkeypatch.setenv("DAYBREAK_RUNTIME", runtime)
        paths = ClusterPaths.of("alone")
        child = client.spawn(paths)
        client.await_keeper(paths, child).close()
        keeper = psutil.Process(int(paths.lock.read_text()))
        assert child.returncode == 0
        assert os.getpid() not in [parent.pid for parent in keeper.parents()]
        # With nothing to look after it leaves by itself.
        keeper.wait(timeout=30)
        assert procfs.read(child.pid) is None


def test_what_a_command_starts_beside_is_collected(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Under a first process that collects nobody it would stay as a zombie for each command."""
    child = subprocess.Popen(["true"])
    monkeypatch.setattr(client, "spawn", lambda _: child)
    client.spawn_aside(ClusterPaths("alone", tmp_path / "state", tmp_path / "run"))
    # The thread that waits notes the code a moment after the process has gone.
    until(lambda: child.returncode == 0, what="what was started has been collected", timeout_s=20.0)
    assert procfs.read(child.pid) is None
