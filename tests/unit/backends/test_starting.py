"""What is done before a service's process starts."""

from __future__ import annotations

import asyncio
from pathlib import Path

from daybreak.backends.process.backend import ProcessBackend
from daybreak.paths import ClusterPaths
from daybreak.services.service import Service, Tier


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
