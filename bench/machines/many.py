"""Many hosts that are none: each joins and follows the first machine's keeper as a real one does, with nodes that are
made up. All of them are one process, which says `ready` when they have joined."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from daybreak.keeper.background import Background
from daybreak.keeper.hosts.fit import Versions
from daybreak.keeper.hosts.joining import Wish, join
from daybreak.keeper.hosts.link import Link
from daybreak.keeper.hosts.membership import JoinedFolder, Membership
from daybreak.keeper.hosts.token import Token
from daybreak.paths import ClusterPaths
from daybreak.timeline.recorder import Recorder

AT_ONCE = 8
READY = "ready"


async def host(number: int, place: tuple[str, int], token: str, versions: Versions, folder: Path) -> Link:
    """One of them, from its joining on."""
    paths = ClusterPaths("many", folder / str(number) / "state", folder / str(number) / "r")
    address = f"10.97.{number // 250}.{number % 250 + 1}"
    own = {"count": 1}
    wish = Wish(place, Token.parse(token), versions, f"h{number}", address, own)
    await join(wish, lambda _: paths, lambda _: None)
    node = {"name": "worker-1", "state": "ready", "pid": 1, "place": f"{address}:20001"}

    async def apply(_member: Membership, _counted: bool) -> None:
        """It has what it should have."""

    async def stop() -> None:
        """It has nothing."""

    def nodes() -> Sequence[dict[str, Any]]:
        return [node]

    link = Link(JoinedFolder(paths), Background(Recorder([])), nodes, lambda: True, apply, stop)
    await link.look()
    return link


async def main(place: str, token: str, count: int, ray: str, folder: Path) -> None:
    """Until nobody needs them any more."""
    address, _, port = place.rpartition(":")
    versions = Versions(ray, f"{sys.version_info.major}.{sys.version_info.minor}")
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> Link:
        async with turn:
            return await host(number, (address, int(port)), token, versions, folder)

    links = await asyncio.gather(*(one(number) for number in range(count)))
    sys.stdout.write(f"{READY} {len(links)}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    given = sys.argv[1:]
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(given[0], given[1], int(given[2]), given[3], Path(given[4])))
