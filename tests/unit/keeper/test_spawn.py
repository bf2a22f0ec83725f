"""A keeper is nobody's child: what looks at its ancestors does not find the command."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import psutil
import pytest

from daybreak.backends import procfs
from daybreak.keeper import client
from daybreak.paths import ClusterPaths


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
