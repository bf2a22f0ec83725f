"""One log monitor for the logs of all nodes."""

from __future__ import annotations

import glob
from pathlib import Path

from daybreak.programs.common import ray_probe
from daybreak.programs.node import gathering


def test_what_is_looked_for_on_one_node_is_found_on_all(tmp_path: Path) -> None:
    for node in ("head", "worker-1"):
        folder = tmp_path / node / "session_1" / "logs"
        folder.mkdir(parents=True)
        (folder / f"worker-{node}.out").touch()
        (folder / "raylet.err").touch()
    older = tmp_path / "worker-1" / "session_0" / "logs"
    older.mkdir(parents=True)
    (older / "worker-old.out").touch()
    own = str(tmp_path / "head" / "session_1" / "logs")
    look = gathering.everywhere(glob.glob, own)
    assert {Path(path).name for path in look(f"{own}/worker*[.out|.err]")} == {"worker-head.out", "worker-worker-1.out"}
    assert len(look(f"{own}/raylet*.err")) == 2


def test_other_patterns_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    look = gathering.everywhere(glob.glob, str(tmp_path / "head" / "session_1" / "logs"))
    assert look(str(tmp_path / "*")) == [str(tmp_path / "file")]
    assert look("file", root_dir=tmp_path) == ["file"]


def test_only_a_log_monitor_that_looks_in_the_known_way_is_changed(tmp_path: Path) -> None:
    import ray._private.services

    assert gathering.can_gather(ray._private.services.__file__)
    (tmp_path / "log_monitor.py").write_text("import os\n")
    assert not gathering.can_gather(str(tmp_path / "services.py"))
    assert not gathering.can_gather(ray_probe.__file__)
