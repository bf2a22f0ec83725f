"""A machine becomes a host: what is asked of the first one, and what is kept of the answer."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from daybreak.keeper.hosts import wanted
from daybreak.keeper.hosts.fit import Versions
from daybreak.keeper.hosts.membership import JoinedFolder, Membership
from daybreak.keeper.hosts.offer import GROUP, Offer
from daybreak.keeper.hosts.token import Token
from daybreak.keeper.hosts.wire import Place, connected
from daybreak.machine.authority import key_text, new_key, request_of
from daybreak.paths import ClusterPaths

# As long a whole restart may be waited for.
TURN_S = 900.0


@dataclass(frozen=True)
class Wish:
    """What a machine joins with. `name` is what it is to be called, None for its host name; `address` its own for the
    other nodes, None for that by which it reaches the first one; `own` is laid over what the spec says for workers."""

    place: tuple[str, int]
    token: Token
    versions: Versions
    name: str | None = None
    address: str | None = None
    own: Mapping[str, Any] = field(default_factory=dict)


async def join(wish: Wish, free: Callable[[str], ClusterPaths], tell: Callable[[str], None]) -> ClusterPaths:
    """Become a host; returns the paths of its own cluster. `free` has those for a cluster's name, or raises what speaks
    against it, before anything is changed on either machine. Raises DaybreakError and OSError."""
    key, called = new_key(), socket.gethostname()
    place = Place(*wish.place, wish.token.fingerprint)
    async with connected(place) as line:
        address = wish.address or line.own_address
        line.send(
            {
                "op": "join",
                "token": wish.token.secret,
                "name": wish.name,
                "called": called,
                "address": address,
                "group": wish.own.get(GROUP),
                "ray": wish.versions.ray,
                "python": wish.versions.python,
                "request": request_of(key, called),
            }
        )
        answer = await line.receive(TURN_S)
        while "note" in answer:
            tell(str(answer["note"]))
            answer = await line.receive(TURN_S)
        paths = free(str(answer["cluster"]))
        line.send({"go": True})
        answer = await line.receive()
    offer = Offer.from_json(answer["offer"])
    member = Membership(str(answer["name"]), address, place, offer, dict(wish.own))
    folder = JoinedFolder(paths)
    await asyncio.to_thread(paths.ensure)
    folder.save_identity(str(answer["certificate"]), key_text(key))
    folder.save(member)
    tell(f"joined {offer.cluster} as {member.name}: fetching the application's code")
    async with connected(place, folder.own) as line:
        folder.save(member.with_code(await wanted.fetch_code(line, folder.code)))
    return paths
