"""What is done before a service's process starts."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psutil
import pytest

from daybreak.backends.base import State
from daybreak.backends.process.backend import ProcessBackend
from daybreak.paths import ClusterPaths
from daybreak.services.service import Service, StopPolicy, Tier


def test_what_an_earlier_instance_has_left_is_removed(tmp_path: Path) -> None:
    paths = ClusterPaths("it", tmp_path / "state", tmp_path / "run")
    paths.ensure()
    folder, socket, link, kept = (tmp_path / name for name in ("h", "old.sock", "link", "kept"))
    for made in (folder / "node-of-yesterday", kept):
        made.mkdir(parents=True)
    socket.touch()
    link.symlink_to(kept)
    discard = tuple(str(path) for path in (folder, socket, link, tmp_path / "never"))
    service = Service("head", Tier.APP, ("true",), str(tmp_path), discard=discard, folders=(str(folder),))

    async def run() -> None:
        backend = ProcessBackend(paths)
        await backend.stop(await backend.start(service, instance="head#1", generation=1, bound={}))

    asyncio.run(run())
    assert list(folder.iterdir()) == []
    assert (socket.exists(), link.is_symlink(), kept.exists()) == (False, False, True)


def test_what_a_service_knows_is_there_for_the_one_that_comes_back_and_for_no_other(tmp_path: Path) -> None:
    paths = ClusterPaths("it", tmp_path / "state", tmp_path / "run")
    paths.ensure()
    known = tmp_path / "known"
    stop = StopPolicy(deletes=(str(known),), left_behind_grace_s=0.1)
    service = Service("head", Tier.APP, ("sleep", "60"), str(tmp_path), folders=(str(known),), stop=stop)

    async def run() -> None:
        backend = ProcessBackend(paths)
        handle = await backend.start(service, instance="head#1", generation=1, bound={})
        (known / "all").touch()
        await backend.stop(handle.left_behind())
        handle = await backend.start(service.coming_back(), instance="head#1", generation=1, bound={})
        assert (known / "all").exists()
        # What is read of its record by a later keeper is the same.
        (handle,) = await ProcessBackend(paths).observe()
        await backend.stop(handle)
        assert not known.exists()
        known.mkdir()
        (known / "of somebody").touch()
        await backend.stop(await backend.start(service, instance="head#2", generation=1, bound={}))
        assert not known.exists()

    asyncio.run(run())


@pytest.mark.parametrize("tier", list(Tier))
def test_what_was_started_and_never_recorded_is_known_by_its_name_and_tier(tmp_path: Path, tier: Tier) -> None:
    paths = ClusterPaths("it", tmp_path / "state", tmp_path / "run")
    paths.ensure()

    async def run() -> None:
        backend = ProcessBackend(paths)
        service = Service("gateway", tier, ("sleep", "60"), str(tmp_path))
        started = await backend.start(service, instance="gateway#1", generation=1, bound={})
        for record in paths.records.iterdir():
            record.unlink()
        (found,) = await ProcessBackend(paths).observe()
        assert (found.service, found.tier, found.state) == ("gateway", str(tier), State.BROKEN)
        await backend.stop(found)
        assert not psutil.pid_exists(started.pid)

    asyncio.run(run())
