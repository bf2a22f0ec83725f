"""In which container a process runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from daybreak.machine.container_processes import container_of

HEAD, OTHER = "5" * 64, "7" * 64


@pytest.mark.parametrize(
    ("groups", "name"),
    [
        (f"0::/system.slice/docker-{HEAD}.scope\n", "head"),
        (f"0::/docker/{HEAD}/ray\n", "head"),
        (f"9:name=systemd:/docker/{HEAD}\n8:pids:/docker/{HEAD}\n", "head"),
        (f"0::/docker/{OTHER}\n", ""),
        ("0::/user.slice/session-1.scope\n", ""),
        (None, ""),
    ],
)
def test_its_control_group_says_so(groups: str | None, name: str, tmp_path: Path) -> None:
    if groups is not None:
        (tmp_path / "12").mkdir()
        (tmp_path / "12" / "cgroup").write_text(groups)
    assert container_of({HEAD: "head"}, str(tmp_path))(12) == name
