"""The end of a service is noticed whichever of its processes ends, on real ones."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from daybreak.backends.process import procfs
from daybreak.backends.process.exits import first_lost

LATE = """
import os, subprocess, sys
started = [subprocess.Popen([name, "60"]) for name in sys.argv[2:]]
open(sys.argv[1], "w").write(" ".join(str(child.pid) for child in started))
sys.stdin.read()
"""


@pytest.fixture
def programs(tmp_path: Path) -> tuple[str, str]:
    for name in ("gcs", "raylet"):
        shutil.copy(shutil.which("sleep") or "", tmp_path / name)
    return str(tmp_path / "gcs"), str(tmp_path / "raylet")


@pytest.fixture
def main(tmp_path: Path, programs: tuple[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    argv = [sys.executable, "-c", LATE, str(tmp_path / "pids"), *programs]
    child = subprocess.Popen(argv, stdin=subprocess.PIPE, start_new_session=True)
    yield child
    os.killpg(child.pid, signal.SIGKILL)
    child.communicate()


@pytest.mark.parametrize("forked", [True, False])
@pytest.mark.parametrize("lists_children", [True, False])
@pytest.mark.parametrize("which", [0, 1])
def test_a_process_that_came_later_is_missed(
    main: subprocess.Popen[bytes],
    tmp_path: Path,
    which: int,
    lists_children: bool,
    forked: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none_listed(pid: int) -> list[int]:
        raise FileNotFoundError

    if not lists_children:
        monkeypatch.setattr(procfs, "children", none_listed)

    async def story() -> tuple[int, str]:
        vital = frozenset(("gcs", "raylet"))
        # What a template has forked is below the template, and below what stands in for it there is nothing.
        lost = first_lost(os.getppid(), vital, lambda: [main.pid]) if forked else first_lost(main.pid, vital)
        waiting = asyncio.ensure_future(lost)
        while not (tmp_path / "pids").exists() or not (tmp_path / "pids").read_text():
            await asyncio.sleep(0.01)
        pids = [int(word) for word in (tmp_path / "pids").read_text().split()]
        # It is known when its own pidfd is open.
        while f"Pid:\t{pids[which]}\n" not in known():
            await asyncio.sleep(0.01)
        os.kill(pids[which], signal.SIGKILL)
        ended, name = await waiting
        assert ended == pids[which]
        return ended, name

    assert asyncio.run(asyncio.wait_for(story(), 60))[1] == ("gcs", "raylet")[which]


def known() -> str:
    """What this process's file descriptors say of themselves."""
    texts = []
    for name in os.listdir("/proc/self/fdinfo"):
        try:
            texts.append(Path(f"/proc/self/fdinfo/{name}").read_text())
        except OSError:
            continue
    return "".join(texts)
