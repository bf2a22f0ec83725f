"""TCP ports: which are free, which a cluster has chosen, and who holds one."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import socket
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from daybreak.errors import PreflightError
from daybreak.files import Book, read_book
from daybreak.machine.holders import Holder, whose
from daybreak.machine.listeners import Listener, listeners, sees_every_port, strangers, will_let_go
from daybreak.machine.reservations import Reservations
from daybreak.naps import naps
from daybreak.services.ray.haproxy import BLOCK
from daybreak.services.slots import Slot

# Below the range from which Linux takes the ports of outgoing connections (32768 and up), so none gets in our way.
START = 20000
STOP = 28000
# Above them a block for each cluster whose programs choose ports themselves, one as others end.
BLOCKS = range(STOP, 32600, BLOCK)
ANYWHERE = "0.0.0.0"
# What is just ending gives its ports back within milliseconds; on a machine that is busy it must get its turn first.
ENDING_S = 10.0


def is_free(port: int, host: str = ANYWHERE, *, fresh: bool = False) -> bool:
    """Whether a server could listen there now.

    `fresh` also refuses a port with connections that are just being closed: right for choosing a new port, wrong for
    coming back to one's own. An address that cannot be bound for another reason than a port in use counts as free:
    the server itself has the better message.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0 if fresh else 1)
        try:
            probe.bind((host, port))
            # With SO_REUSEADDR two sockets may be bound to one port, but only one may listen.
            probe.listen(1)
        except OSError as error:
            return error.errno != errno.EADDRINUSE
    return True


def free_ports(
    names: Sequence[str],
    *,
    taken: Collection[int] = (),
    spread: str = "",
    start: int = START,
    stop: int = STOP,
) -> dict[str, int]:
    """A free port for each name, from `start` up to but not including `stop`, none of `taken`.

    `spread` (a cluster's folder) decides where the search begins, so that two clusters seldom meet.
    Raises PreflightError where there are not enough.
    """
    first = _begin(spread, stop - start) if spread else 0
    wanted = iter(names)
    name = next(wanted, None)
    found: dict[str, int] = {}
    for step in range(stop - start):
        if name is None:
            return found
        port = start + (first + step) % (stop - start)
        if port not in taken and is_free(port, fresh=True):
            found[name] = port
            name = next(wanted, None)
    if name is None:
        return found
    raise PreflightError(
        [f"only {len(found)} of {len(names)} ports are free from {start} to {stop - 1}"],
        hint="stop what listens there (`ss -ltnp` lists it)",
    )


def _begin(spread: str, count: int) -> int:
    """Where the search begins, of so many places."""
    return int.from_bytes(hashlib.sha256(spread.encode()).digest()[:4], "big") % count


class PortBook:
    """The ports that a cluster has chosen, kept in `<root>/<cluster>/ports.json` so that they outlive restarts.

    A kept port that a stranger holds, or another cluster has reserved, is given up and another one is chosen; one that
    the cluster itself holds stays, and so do all ports of a service that holds one: it runs with them. `strangers` to
    the cluster's folder tells them apart. Ports in the other clusters' books are never taken. What is `reserved` is
    told to clusters elsewhere.
    """

    def __init__(self, path: Path, reserved: Reservations | None = None) -> None:
        self._path = path
        # One cluster at a time chooses, so that two cannot choose the same port.
        self._book = Book(path, "the ports", lock=path.parent.parent / f".{path.name}.lock")
        self._reserved = reserved

    def ports(
        self, names: Sequence[str], *, taken: Collection[int] = (), own: Collection[int] = (), keep: bool = True
    ) -> dict[str, int]:
        """The port of each name; `taken` holds what is promised elsewhere, such as ports written in the spec.

        `own` are the cluster's although a stranger listens there: a Docker engine does so for a container. Without
        `keep` the book stays as it is.
        """
        with self._changing(keep) as (book, elsewhere):
            promised = _ports_in(book)
            lost = self._lost(promised, own, elsewhere)
            wanted = {name: promised[name] for name in names if name in promised}
            kept = {name: port for name, port in wanted.items() if port not in taken and name not in lost}
            missing = [name for name in names if name not in kept]
            if missing:
                unusable = {*taken, *promised.values(), *self._others()}
                chosen = _free_of_all(missing, unusable, elsewhere, str(self._path))
                book.update(chosen)
                kept |= chosen
        return {name: kept[name] for name in names}

    def block(self, name: str, *, keep: bool = True) -> int:
        """The first of BLOCK ports in a row that no other cluster has, kept under this name.

        Whoever listens in a kept block is passed over by the programs that choose there. Where every block belongs to
        some cluster, one whose ports are all free will do: most clusters are down. Without `keep` the book stays as it
        is. Raises PreflightError where no block is free.
        """
        with self._changing(keep) as (book, elsewhere):
            promised = _ports_in(book)
            if name in promised:
                # Nobody who listens in a block takes it away: there is nothing to look at unless it is reserved.
                safe = promised[name] in BLOCKS and promised[name] not in elsewhere
                if safe or name not in self._lost(promised, (), elsewhere):
                    return promised[name]
            first = _free_block({*promised.values(), *self._others(), *elsewhere}, str(self._path))
            book[name] = first
            return first

    def of(self, services: Collection[str]) -> frozenset[int]:
        """Those that are kept for these services, in either slot."""
        kept = _ports_in(read_book(self._path))
        return frozenset(port for name, port in kept.items() if _place(name).removeprefix(Slot.B.prefix) in services)

    @contextlib.contextmanager
    def _changing(self, keep: bool) -> Iterator[tuple[dict[str, Any], frozenset[int]]]:
        """Alone with the book, and with what clusters elsewhere have reserved. What it holds then is reserved, too."""
        if self._reserved is None or not keep:
            with self._book.changing(keep=keep) as book:
                yield book, frozenset()
            return
        with self._book.changing() as book, self._reserved.choosing():
            elsewhere = self._reserved.of_others()
            yield book, elsewhere
            own = {
                each
                for name, port in _ports_in(book).items()
                for each in (range(port, port + BLOCK) if port in BLOCKS else (port,))
            }
            self._reserved.tell(own - elsewhere)

    def _lost(self, promised: Mapping[str, int], own: Collection[int], elsewhere: Collection[int]) -> frozenset[str]:
        """The names whose ports are not this cluster's any more."""
        busy = {port for port in promised.values() if port not in BLOCKS and port not in own and not is_free(port)}
        foreign = strangers(busy, self._path.parent) if busy else {}
        held = {*own, *busy} - foreign.keys()
        run = {_place(name) for name, port in promised.items() if port in held}
        gone = {name for name, port in promised.items() if port not in own and (port in foreign or port in elsewhere)}
        return frozenset(name for name in gone if _place(name) not in run)

    def _others(self) -> set[int]:
        books = self._path.parent.parent.glob(f"*/{self._path.name}")
        return {port for book in books if book != self._path for port in _ports_in(read_book(book)).values()}


def _place(name: str) -> str:
    """The slot and the service that have this port, such as `b.head`."""
    prefix = Slot.B.prefix if name.startswith(Slot.B.prefix) else ""
    return prefix + name.removeprefix(prefix).partition(".")[0]


def _free_of_all(
    names: Sequence[str], taken: Collection[int], elsewhere: Collection[int], spread: str
) -> dict[str, int]:
    """Free ports, none of them reserved elsewhere; where somebody has reserved so many that there are too few, any."""
    try:
        return free_ports(names, taken={*taken, *elsewhere}, spread=spread)
    except PreflightError:
        return free_ports(names, taken=taken, spread=spread)


def _free_block(promised: Collection[int], spread: str) -> int:
    start = _begin(spread, len(BLOCKS))
    firsts = [BLOCKS[(start + step) % len(BLOCKS)] for step in range(len(BLOCKS))]
    unclaimed = [first for first in firsts if not any(first <= port < first + BLOCK for port in promised)]
    for first in (*unclaimed, *firsts):
        if all(is_free(port, fresh=True) for port in range(first, first + BLOCK)):
            return first
    raise PreflightError(
        [f"no {BLOCK} ports in a row are free from {BLOCKS[0]} to {BLOCKS[-1] + BLOCK - 1}"],
        hint="stop what listens there (`ss -ltnp` lists it)",
    )


def owner_of(port: int, host: str = ANYWHERE) -> str:
    """Who listens on the port, such as `python3 (pid 123)`; an empty text where it is free."""
    return str(holder_of(port, host) or "")


def holder_of(port: int, host: str = ANYWHERE) -> Holder | None:
    """Who listens on the port, and whose it is; None where it is free."""
    found: Listener | None = None
    for _ in naps(time.monotonic() + ENDING_S):
        if is_free(port, host):
            return None
        found = listeners([port]).get(port)
        if found is None and sees_every_port():
            return None  # only connections that are just being closed: no reason to refuse a start
        if found is None or not will_let_go(found):
            break
    # What was ending may be gone just now.
    return None if is_free(port, host) else whose(found or Listener())


def _ports_in(book: dict[str, Any]) -> dict[str, int]:
    return {name: port for name, port in book.items() if isinstance(port, int)}
