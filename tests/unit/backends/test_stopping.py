"""How an instance's processes end, on real ones."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from daybreak.backends.base import State
from daybreak.backends.process.backend import ProcessBackend
from daybreak.backends.process.stopping import Stop
from daybreak.paths import ClusterPaths
from daybreak.services.ray.helpers import TRACKER
from daybreak.services.service import Service, StopPolicy, Tier
from tests.helpers import DEADLINE_S, eventually

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
        await eventually((tmp_path / "listening").exists)
        await backend.stop(handle)

    asyncio.run(asyncio.wait_for(run(), DEADLINE_S))
    assert (tmp_path / "cleared-up").exists()


def test_what_was_not_even_told_to_end_is_there_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = ClusterPaths("it", tmp_path / "state", tmp_path / "run")
    paths.ensure()

    async def fails(_: Stop) -> int:
        raise OSError("too many open files")

    async def run() -> None:
        backend = ProcessBackend(paths)
        service = Service("head", Tier.APP, ("sleep", "60"), str(tmp_path))
        handle = await backend.start(service, instance="head#1", generation=1, bound={})
        with monkeypatch.context() as patch:
            patch.setattr(Stop, "run", fails)
            with pytest.raises(OSError, match="too many"):
                await backend.stop(handle)
        (found,) = await ProcessBackend(paths).observe()
        assert found.state is State.RUNNING
        await backend.stop(found)

    asyncio.run(asyncio.wait_for(run(), DEADLINE_S))
