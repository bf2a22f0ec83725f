"""How an instance's processes end, on real ones."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from daybreak.backends.process import ProcessBackend
from daybreak.paths import ClusterPaths
from daybreak.services.base import Service, StopPolicy, Tier
from daybreak.services.helpers import TRACKER

# As Python's resource tracker does: it is deaf, and begins to clear up when the last of the others has gone.
CLEARS_UP = """
import signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open("listening", "w")
sys.stdin.read()
time.sleep(0.3)
open("cleared-up", "w")
"""


def test_what_clears_up_after_the_others_may_do_so(tmp_path: Path) -> None:
    paths = ClusterPaths("it", tmp_path / "state", tmp_path / "run")
    paths.ensure()
    argv = ("sh", "-c", 'sleep 60 | exec "$@"', TRACKER, sys.executable, "-IS", "-c", CLEARS_UP, TRACKER)
    service = Service("api", Tier.APP, argv, str(tmp_path), stop=StopPolicy(afterwards=(TRACKER,)))

    async def run() -> None:
        backend = ProcessBackend(paths)
        handle = await backend.start(service, instance="api#1", generation=1, bound={})
        while not (tmp_path / "listening").exists():
            await asyncio.sleep(0.01)
        await backend.stop(handle)

    asyncio.run(asyncio.wait_for(run(), 30.0))
    assert (tmp_path / "cleared-up").exists()
