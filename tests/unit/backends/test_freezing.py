"""Instances that are stopped in the midst of what they do, on real processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import signal
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from daybreak.backends.process import procfs
from daybreak.backends.process.backend import ProcessBackend
from daybreak.backends.process.records import Records
from daybreak.paths import ClusterPaths
from daybreak.services.service import Service, StopPolicy, Tier
from tests.helpers import DEADLINE_S, eventually

# Three processes, one of which starts others all the time, and says when it is asked to end.
BUSY = """
trap 'touch asked; exit 0' TERM
sh -c 'while :; do sleep 0.01; done' &
while :; do echo x >> beats; sleep 0.02; done
"""

# One that waits, as after vfork, for what it is starting; that runs when it may, and has memory of its own to be safe.
# With PyDLL the lock of the interpreter is held meanwhile, so that the copy has it, too.
CLONE = {"x86_64": 56, "aarch64": 220}.get(platform.machine())
VFORK = f"""
import ctypes, os, signal, sys, time
if ctypes.PyDLL(None).syscall({CLONE}, 0x4000 | signal.SIGCHLD, 0, 0, 0, 0) == 0:
    open("begun", "w").close()
    while not os.path.exists("go"):
        time.sleep(0.01)
    os.execlp("sleep", "sleep", "1000")
signal.pause()
"""


def states(session: int) -> set[str]:
    return {row.state for row in procfs.processes() if row.session == session}


def is_to_stop(pid: int) -> bool:
    """Was it told to stop, and cannot yet?"""
    (pending,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("ShdPnd"))
    return bool(int(pending.split()[1], 16) >> (signal.SIGSTOP - 1) & 1)


def test_what_is_frozen_does_nothing_goes_on_when_it_is_let_go_and_ends_as_it_would(tmp_path: Path) -> None:
    paths = ClusterPaths("it", tmp_path / "state", tmp_path / "run")
    paths.ensure()
    beats = tmp_path / "beats"

    async def run() -> None:
        backend = ProcessBackend(paths)
        service = Service("api", Tier.APP, ("sh", "-c", BUSY), str(tmp_path), stop=StopPolicy(grace_s=DEADLINE_S))
        handle = await backend.start(service, instance="api#1", generation=1, bound={})
        await eventually(beats.exists)
        await backend.freezer.freeze([handle])
        assert states(handle.pid) == {"T"}
        written = beats.stat().st_size
        await backend.freezer.freeze([handle])
        assert (await backend.observe())[0].state == "running"
        assert beats.stat().st_size == written
        await backend.freezer.thaw([handle])
        await eventually(lambda: beats.stat().st_size > written)
        await backend.freezer.freeze([handle])
        began = time.monotonic()
        stopped = await backend.stop(handle)
        assert not stopped.killed
        assert time.monotonic() - began < DEADLINE_S
        assert not states(handle.pid)

    carry_out(run(), paths)
    assert (tmp_path / "asked").exists(), f"it heard of {signal.SIGTERM.name}"


@pytest.mark.skipif(CLONE is None, reason="the number of `clone` is not known for this processor")
def test_what_is_starting_a_program_is_frozen_when_that_runs(tmp_path: Path) -> None:
    paths = ClusterPaths("it", tmp_path / "state", tmp_path / "run")
    paths.ensure()

    async def run() -> None:
        backend = ProcessBackend(paths)
        service = Service("api", Tier.APP, (sys.executable, "-c", VFORK), str(tmp_path), stop=StopPolicy(grace_s=0.1))
        handle = await backend.start(service, instance="api#1", generation=1, bound={})
        await eventually((tmp_path / "begun").exists)
        # The copy may run before the one that made it has begun to wait for it.
        await eventually(lambda: "D" in states(handle.pid))
        freezing = asyncio.ensure_future(backend.freezer.freeze([handle]))
        await eventually(lambda: is_to_stop(handle.pid))
        (tmp_path / "go").touch()
        await freezing
        assert states(handle.pid) == {"T"}
        assert {row.comm for row in procfs.processes() if row.session == handle.pid} > {"sleep"}
        await backend.freezer.thaw([handle])
        await eventually(lambda: states(handle.pid) == {"S"})
        await backend.stop(handle)

    carry_out(run(), paths)


def carry_out(run: Coroutine[Any, Any, None], paths: ClusterPaths) -> None:
    """Whatever becomes of it, nothing is left running for others' tests."""
    try:
        asyncio.run(asyncio.wait_for(run, 3 * DEADLINE_S))
    finally:
        for handle in Records(paths.records).load():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(handle.pid, signal.SIGKILL)
