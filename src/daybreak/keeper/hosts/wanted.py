"""What hosts should have, and how they get it: the offer as a message, the code as a stream."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daybreak.errors import DaybreakError
from daybreak.keeper.hosts import fit
from daybreak.keeper.hosts.offer import Offer
from daybreak.keeper.hosts.wire import BLOCK_BYTES, Line
from daybreak.keeper.versions import code
from daybreak.keeper.versions.code import Code
from daybreak.keeper.wanted.desired import Desired
from daybreak.paths import ClusterPaths
from daybreak.services.build import Cluster


@dataclass(frozen=True)
class Wanted:
    """At one moment between two runs."""

    offer: Offer
    code: Code

    def orders(self) -> dict[str, Any]:
        """By which a host sees whether it has that."""
        return {"serial": self.offer.serial, "code": self.code.digest}


async def look(desired: Desired, cluster: Cluster, paths: ClusterPaths) -> Wanted:
    """What runs now. Raises OSError and DaybreakError."""
    python = await asyncio.to_thread(fit.python_minor, cluster.site.ray.python)
    offer = Offer.of(cluster, python)
    return Wanted(offer, await asyncio.to_thread(code.deployed, desired, paths))


async def send_code(wanted: Wanted, line: Line) -> None:
    """Its length, then that many bytes. Raises DaybreakError and OSError."""
    with await asyncio.to_thread(code.pack, wanted.code) as file:
        size = os.fstat(file.fileno()).st_size
        line.send({"bytes": size, "code": wanted.code.digest})
        while block := await asyncio.to_thread(file.read, BLOCK_BYTES):
            await line.send_bytes(block)


async def fetch_code(line: Line, folder: Path) -> str:
    """Ask for it, and unpack it into the folder; returns its digest. Raises DaybreakError and OSError."""
    line.send({"op": "code"})
    told: Mapping[str, Any] = await line.receive()
    size = int(told["bytes"])
    if size > code.MOST_TAR_BYTES:
        raise DaybreakError(f"the first machine would send {size:,} bytes of code")
    with await asyncio.to_thread(code.temporary) as file:
        left = size
        while left:
            block = await line.receive_bytes(min(left, BLOCK_BYTES))
            left -= len(block)
            await asyncio.to_thread(file.write, block)
        file.seek(0)
        await asyncio.to_thread(code.unpack, file, folder)
    return str(told["code"])
