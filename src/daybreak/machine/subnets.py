"""The network of a cluster's containers: a part of 10.208.0.0/12 that nothing else on this machine uses.

It is chosen once and kept with the addresses in it, so that a database's URL stays what it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from daybreak.errors import PreflightError
from daybreak.files import Book, read_book
from daybreak.names import DATABASES, MOST_WORKERS
from daybreak.services.container_site import WORKERS_BEGIN

POOL = IPv4Network("10.208.0.0/12")
# Room for the most workers that a spec may have, and for the user's own services behind them.
PREFIX = 23
HEAD = 2
# The last parts of the fixed addresses; workers begin at WORKERS_BEGIN.
FIXED = {"head": HEAD, **{name: HEAD + 1 + place for place, name in enumerate(DATABASES)}}
SERVICES_BEGIN = WORKERS_BEGIN + MOST_WORKERS + 1
ROUTES = Path("/proc/net/route")
FILE = "network.json"


def subnet(root: Path, taken: Sequence[IPv4Network], own: IPv4Network | None, *, keep: bool = True) -> IPv4Network:
    """The cluster's network: the one that it has now (`own`), else the one kept if it is free, else a free one.

    Raises PreflightError where there is none. `taken` are the networks of others. Without `keep` nothing is written.
    """
    with _book(root).changing(keep=keep) as book:
        kept = _network_in(book)
        if own is not None and own.subnet_of(POOL):
            chosen = own
        elif kept is not None and not _overlaps(kept, taken):
            chosen = kept
        else:
            chosen = _free(str(root), [*taken, *_others(root)])
        book["subnet"] = str(chosen)
    return chosen


def addresses(root: Path, network: IPv4Network, services: Iterable[str], *, keep: bool = True) -> dict[str, str]:
    """The fixed address of the head, every database and each of `services`, which keep what they once had."""
    with _book(root).changing(keep=keep) as book:
        kept: dict[str, int] = book.setdefault("services", {})
        for name in services:
            if name not in kept:
                kept[name] = next(n for n in range(SERVICES_BEGIN, network.num_addresses) if n not in kept.values())
    return {name: str(network.network_address + part) for name, part in {**FIXED, **kept}.items()}


def routes(table: Path = ROUTES) -> list[IPv4Network]:
    """The networks that this machine has routes to, the default route left out."""
    found = []
    try:
        lines = table.read_text().splitlines()[1:]
    except OSError:
        return []
    for line in lines:
        fields = line.split()
        destination, mask = (int.from_bytes(bytes.fromhex(fields[place]), "little") for place in (1, 7))
        if mask:
            found.append(IPv4Network((destination, bin(mask).count("1")), strict=False))
    return found


def _free(spread: str, taken: Sequence[IPv4Network]) -> IPv4Network:
    """`spread` decides where the search begins, so that two clusters seldom meet."""
    count = 2 ** (PREFIX - POOL.prefixlen)
    first = int.from_bytes(hashlib.sha256(spread.encode()).digest()[:4], "big")
    size = 2 ** (32 - PREFIX)
    for step in range(count):
        candidate = IPv4Network((int(POOL.network_address) + (first + step) % count * size, PREFIX))
        if not _overlaps(candidate, taken):
            return candidate
    raise PreflightError(
        [f"no network in {POOL} is free for the cluster's containers"],
        hint="`docker network prune` removes those that nothing uses; or write docker: {network: host}",
    )


def _overlaps(network: IPv4Network, others: Iterable[IPv4Network]) -> bool:
    return any(network.overlaps(other) for other in others)


def _others(root: Path) -> list[IPv4Network]:
    """The networks of the other clusters."""
    books = [read_book(file) for file in root.parent.glob(f"*/{FILE}") if file.parent != root]
    return [network for book in books if (network := _network_in(book))]


def _network_in(book: dict[str, Any]) -> IPv4Network | None:
    try:
        return IPv4Network(book["subnet"])
    except (KeyError, ValueError):
        return None


def _book(root: Path) -> Book:
    """One cluster at a time chooses, so that two cannot choose the same."""
    return Book(root / FILE, "the network of the containers", lock=root.parent / f".{FILE}.lock")
