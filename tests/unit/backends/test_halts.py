"""That somebody has stopped a service is seen without asking it, on real processes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from daybreak.backends.base import Handle
from daybreak.backends.process import procfs
from daybreak.backends.process.halts import Halts
from daybreak.services.service import StopPolicy
from tests.helpers import until

# A node's first process, what watches the others, and one of those.
NODE = """
import subprocess, sys
own = "import subprocess, sys; subprocess.Popen([sys.argv[1], '60']); print('there', flush=True); sys.stdin.read()"
subprocess.Popen([sys.executable, "-c", own, sys.argv[1]]).wait()
"""

NO_FORKS = Path("/nowhere")


@pytest.fixture
def node(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    shutil.copy(shutil.which("sleep") or "", tmp_path / "raylet")
    argv = [sys.executable, "-c", NODE, str(tmp_path / "raylet")]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, start_new_session=True) as child:
        assert child.stdout
        assert child.stdout.readline() == b"there\n"
        # A program has its name a moment after whoever has started it goes on.
        until(lambda: raylet_of(child), what="the raylet is there")
        yield child
        os.killpg(child.pid, signal.SIGKILL)


def handle(pid: int, *, vital: tuple[str, ...] = (), working_name: str = "") -> Handle:
    found = procfs.read(pid)
    assert found
    ticks, boot = found.started_ticks, procfs.boot_id()
    stop = StopPolicy(working_name=working_name)
    return Handle("head", "app", "i1", "f", pid, ticks, boot, 0.0, vital=vital, stop=stop)


def raylet_of(node: subprocess.Popen[bytes]) -> int:
    return next(one.pid for one in procfs.processes() if one.session == node.pid and one.comm == "raylet")


@pytest.mark.parametrize("forked", [True, False])
@pytest.mark.parametrize("main", [True, False])
@pytest.mark.parametrize("working", [True, False])
def test_the_main_process_and_those_it_needs_are_seen_to_be_stopped_and_to_go_on(
    node: subprocess.Popen[bytes], tmp_path: Path, main: bool, working: bool, forked: bool
) -> None:
    """Also where the main process is a launcher, whose fork is the warm template's child: here it is this process's."""

    given = {"working_name": "raylet"} if working else {"vital": ("raylet",)}
    found = procfs.read(node.pid)
    assert found
    if forked:
        (tmp_path / str(node.pid)).write_text(f"{found.started_ticks}\n1\n1\ni1\n")
        launcher = subprocess.Popen(["sleep", "60"])
    halts = Halts(handle(launcher.pid if forked else node.pid, **given), tmp_path)
    assert halts.now() == ""
    pid = raylet_of(node) if not main else launcher.pid if forked else node.pid
    os.kill(pid, signal.SIGSTOP)
    until(lambda: halts.now().startswith(f"pid {pid} ("), what="it is seen")
    assert halts.now().endswith(") is stopped by a signal")
    os.kill(pid, signal.SIGCONT)
    until(lambda: not halts.now(), what="it goes on")
    if forked:
        launcher.kill()
        launcher.wait()


def test_another_process_with_its_number_and_what_it_can_do_without_do_not_count(node: subprocess.Popen[bytes]) -> None:
    os.kill(raylet_of(node), signal.SIGSTOP)
    until(lambda: (found := procfs.read(raylet_of(node))) and found.state == "T", what="it is stopped")
    assert Halts(handle(node.pid), NO_FORKS).now() == ""
    stranger = replace(handle(raylet_of(node)), started_ticks=1)
    assert Halts(stranger, NO_FORKS).now() == ""
    assert Halts(replace(stranger, pid=0, started_ticks=0), NO_FORKS).now() == ""
