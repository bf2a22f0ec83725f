"""Instances that are stopped in the midst of what they do, on real processes."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

from daybreak.backends.process import procfs
from daybreak.backends.process.backend import ProcessBackend
from daybreak.paths import ClusterPaths
from daybreak.services.service import Service, StopPolicy, Tier
from tests.helpers import DEADLINE_S, eventually

# Three processes, one of which starts others all the time, and says when it is asked to end.
BUSY = """
trap 'touch asked; exit 0' TERM
sh -c 'while :; do sleep 0.01; done' &
while :; do echo x >> beats; sleep 0.02; done
"""


def states(session: int) -> set[str]:
    return {row.state for row in procfs.processes() if row.session == session}


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

    asyncio.run(asyncio.wait_for(run(), 3 * DEADLINE_S))
    assert (tmp_path / "asked").exists(), f"it heard of {signal.SIGTERM.name}"
