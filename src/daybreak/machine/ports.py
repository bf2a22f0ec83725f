"""TCP ports: which are free, which a cluster has chosen, and who holds one."""

from __future__ import annotations

import errno
import hashlib
import socket
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from daybreak.errors import PreflightError
from daybreak.files import Book, read_book
from daybreak.machine.holders import Holder, whose
from daybreak.machine.listeners import MOST_LOOKS, Listener, is_alive, listeners, sees_every_port, strangers
from daybreak.services.ray.haproxy import BLOCK

# Below the range from which Linux takes the ports of outgoing connections (32768 and up), so none gets in our way.
START = 20000
STOP = 28000
# Above them a block for each cluster whose programs choose ports themselves, one as others end.
BLOCKS = range(STOP, 32600, BLOCK)
ANYWHERE = "0.0.0.0"


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
    digest = hashlib.sha256(spread.encode()).digest()
    first = int.from_bytes(digest[:4], "big") % (stop - start) if spread else 0
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


class PortBook:
    """The ports that a cluster has chosen, kept in `<root>/<cluster>/ports.json` so that they outlive restarts.

    A kept port that a stranger holds is given up and another one is chosen; one that the cluster itself holds stays.
    `strangers` to the cluster's folder tells them apart. Ports in the other clusters' books are never taken.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # One cluster at a time chooses, so that two cannot choose the same port.
        self._book = Book(path, "the ports", lock=path.parent.parent / f".{path.name}.lock")

    def ports(
        self, names: Sequence[str], *, taken: Collection[int] = (), own: Collection[int] = (), keep: bool = True
    ) -> dict[str, int]:
        """The port of each name; `taken` holds what is promised elsewhere, such as ports written in the spec.

        `own` are the cluster's although a stranger listens there: a Docker engine does so for a container. Without
        `keep` the book stays as it is.
        """
        with self._book.changing(keep=keep) as book:
            promised = _ports_in(book)
            known = {name: promised[name] for name in names if name in promised and promised[name] not in taken}
            kept = {name: port for name, port in known.items() if port in own}
            kept |= self._usable({name: port for name, port in known.items() if port not in own})
            missing = [name for name in names if name not in kept]
            if missing:
                unusable = {*taken, *promised.values(), *self._others()}
                chosen = free_ports(missing, taken=unusable, spread=str(self._path))
                book.update(chosen)
                kept |= chosen
        return {name: kept[name] for name in names}

    def block(self, name: str, *, keep: bool = True) -> int:
        """The first of BLOCK ports in a row that no other cluster has, kept under this name.

        Whoever listens in a kept block is passed over by the programs that choose there. Where every block belongs to
        some cluster, one whose ports are all free will do: most clusters are down. Without `keep` the book stays as it
        is. Raises PreflightError where no block is free.
        """
        with self._book.changing(keep=keep) as book:
            promised = _ports_in(book)
            if name in promised:
                return promised[name]
            first = _free_block({*promised.values(), *self._others()}, str(self._path))
            book[name] = first
            return first

    def _usable(self, kept: dict[str, int]) -> dict[str, int]:
        busy = {port for port in kept.values() if not is_free(port)}
        if not busy:
            return kept
        foreign = strangers(busy, self._path.parent)
        return {name: port for name, port in kept.items() if port not in foreign}

    def _others(self) -> set[int]:
        books = self._path.parent.parent.glob(f"*/{self._path.name}")
        return {port for book in books if book != self._path for port in _ports_in(read_book(book)).values()}


def _free_block(promised: Collection[int], spread: str) -> int:
    start = hashlib.sha256(spread.encode()).digest()[0] % len(BLOCKS)
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
    for _ in range(MOST_LOOKS):
        if is_free(port, host):
            return None
        found = listeners().get(port)
        if found is None and sees_every_port():
            return None  # only connections that are just being closed: no reason to refuse a start
        if found is None or is_alive(found):
            break  # else it has ended since, and what holds the port now is another process
    return whose(found or Listener())


def _ports_in(book: dict[str, Any]) -> dict[str, int]:
    return {name: port for name, port in book.items() if isinstance(port, int)}
