"""Who listens on which TCP port, and whether that process belongs to a cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from daybreak.programs.common.proc import (
    PROC,
    SHORTAGES,
    any_ends,
    arguments,
    environment,
    null_separated,
    open_files,
    read,
    working_folder,
)

LISTEN = b"0A"
# How often holders of ports are looked at while some of them end.
MOST_LOOKS = 5
# Every process of a service inherits it.
SERVICE_MARK = "DAYBREAK_SERVICE"
KEEPER = "daybreak.keeper"


@dataclass(frozen=True)
class Listener:
    """Who holds a port. `pid` and `name` are None where the kernel does not tell us, `uid` where that is not known."""

    pid: int | None = None
    name: str | None = None
    uid: int | None = None

    def __str__(self) -> str:
        if self.pid is not None:
            return f"{self.name or 'a process'} (pid {self.pid})"
        return "a process that cannot be seen from here" if self.uid is None else f"a process of {_user(self.uid)}"


class OpenSocket(NamedTuple):
    """A listening socket as the kernel's table has it; `inode` is what those that hold it have open."""

    port: int
    uid: int
    inode: str


def listeners(ports: Collection[int] | None = None) -> dict[int, Listener]:
    """Every port of this machine with a listening socket, or those among `ports`, which are found much sooner."""
    if not sees_every_port():
        return _by_psutil()
    rows = _rows(ports)
    pids = _holders({row.inode for row in rows})
    found: dict[int, Listener] = {}
    for row in rows:
        # A server's children share its socket: the lowest pid is nearly always the server itself.
        known, pid = found.get(row.port), pids.get(row.inode)
        if known is None or (pid is not None and (known.pid is None or pid < known.pid)):
            found[row.port] = Listener(pid, None, row.uid)
    return {port: Listener(who.pid, _name(who.pid), who.uid) for port, who in found.items()}


def _rows(ports: Collection[int] | None) -> list[OpenSocket]:
    """All that listen, or on these ports. Linux lists what listens first, before the connections, of which there may be
    ten thousands: those are read only where a port is not among the first."""
    if ports is not None:
        found = [row for row in _table(only_first=True) if row.port in ports]
        if {row.port for row in found} >= set(ports):
            return found
    return [row for row in _table() if ports is None or row.port in ports]


def _table(*, only_first: bool = False) -> Iterator[OpenSocket]:
    """Every listening socket, which Linux shows to everybody; with `only_first` those before the first connection."""
    for table in ("net/tcp", "net/tcp6"):
        for line in _lines(f"{PROC}/{table}"):
            fields = line.split(maxsplit=10)
            if fields[3] == LISTEN:
                yield OpenSocket(int(fields[1].rpartition(b":")[2], 16), int(fields[7]), fields[9].decode())
            elif only_first:
                break


def _lines(path: str) -> Iterator[bytes]:
    """As they are read, without the heading; none where there is no such table."""
    try:
        with open(path, "rb") as file:
            next(file, None)
            yield from file
    except OSError as error:
        if error.errno in SHORTAGES:
            raise


def _holders(inodes: Collection[str]) -> dict[str, int]:
    """The lowest pid that has each of these sockets open, as far as it can be seen."""
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    found: dict[str, int] = {}
    for pid in sorted(int(name) for name in os.listdir(PROC) if name.isdigit()):
        if not wanted:
            break
        for path in open_files(pid):
            if (inode := wanted.pop(path, None)) is not None:
                found[inode] = pid
    return found


def _by_psutil() -> dict[int, Listener]:
    """Where there is no such table."""
    import psutil

    try:
        connections = psutil.net_connections(kind="tcp")
    except (psutil.AccessDenied, OSError):
        return {}
    found: dict[int, int] = {}
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.pid:
            port = int(connection.laddr[1])
            found[port] = min(connection.pid, found.get(port, connection.pid))
    return {port: Listener(pid, _name(pid)) for port, pid in found.items()}


@dataclass(frozen=True)
class Socket:
    """One listening TCP socket and the address it is bound to."""

    address: str
    port: int
    holder: Listener

    @property
    def is_local(self) -> bool:
        """Can only this machine reach it?"""
        import ipaddress

        bound = ipaddress.ip_address(self.address.partition("%")[0])
        mapped = getattr(bound, "ipv4_mapped", None)
        return (mapped or bound).is_loopback


def sockets() -> list[Socket]:
    """Every listening TCP socket; none where the system does not tell."""
    import psutil

    try:
        connections = psutil.net_connections(kind="tcp")
    except (psutil.AccessDenied, OSError):
        return []
    name = cache(_name)
    found = []
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN and connection.laddr:
            holder = Listener(connection.pid, name(connection.pid))
            found.append(Socket(str(connection.laddr[0]), int(connection.laddr[1]), holder))
    return found


def sees_every_port() -> bool:
    """Whether a port that `listeners` does not name has certainly no listener."""
    return os.path.exists(f"{PROC}/net/tcp")


def belongs_to(root: Path, proc: str = PROC) -> Callable[[Listener], bool]:
    """A function that tells whether a listener is one of the cluster's in the folder `root`.

    A process shows it by its environment, command line or working folder, or an ancestor does: Ray's agents and
    Redis 6.0 overwrite their environment. What root cannot look into (a server that it runs under another account in
    a container) counts as the cluster's own; for others, what is another user's is not.
    """

    @cache
    def shows(pid: int) -> bool:
        if pid <= 1:
            return False
        return _mentions(pid, str(root), proc) or shows(_parent(pid, proc))

    def belongs(holder: Listener) -> bool:
        if holder.pid is None:
            return os.geteuid() in (0, holder.uid)
        return shows(holder.pid)

    return belongs


def marked_service(pid: int, proc: str = PROC) -> str:
    """The service of a cluster that a process, or an ancestor of it, was started as; empty where none shows it."""
    while pid > 1:
        if KEEPER in arguments(pid, proc):
            return "keeper"
        marks = environment(pid, (SERVICE_MARK,), proc)
        if marks:
            return marks[SERVICE_MARK]
        pid = _parent(pid, proc)
    return ""


def strangers(ports: Collection[int], root: Path) -> dict[int, Listener]:
    """Who holds these ports without being one of the cluster's in the folder `root`.

    A process that has ended since it was listed shows nothing of whose it was, and somebody else may hold its port
    already, as when HAProxy is reloaded: then it is looked again.
    """
    return _held(ports, root)[1]


def is_held_by(root: Path, port: int) -> bool:
    """Does a process of the cluster in the folder `root` listen on the port?"""
    holders, foreign = _held([port], root)
    return port in holders and port not in foreign


def _held(ports: Collection[int], root: Path) -> tuple[dict[int, Listener], dict[int, Listener]]:
    """Who holds these ports, and who of them is none of the cluster's."""
    holders: dict[int, Listener] = {}
    found: dict[int, Listener] = {}
    for _ in range(MOST_LOOKS):
        holders, ours = listeners(ports), belongs_to(root)
        found = {port: holders[port] for port in ports if port in holders and not ours(holders[port])}
        if all(is_alive(holder) for holder in found.values()):
            break
    return holders, {port: holder for port, holder in found.items() if is_alive(holder)}


def is_alive(holder: Listener, proc: str = PROC) -> bool:
    """Whether the process is still there and will go on holding a port, as far as it is known."""
    if holder.pid is None:
        return True
    found = read(holder.pid, proc)
    return found is not None and not found.zombie and not found.ending


def will_let_go(holder: Listener) -> bool:
    """Whether the port may be free in a moment: nobody is seen to hold those of a process that is just ending."""
    return any_ends() if holder.pid is None else not is_alive(holder)


def _mentions(pid: int, root: str, proc: str) -> bool:
    texts = [*null_separated(f"{proc}/{pid}/environ"), *arguments(pid, proc)]
    parts = [working_folder(pid, proc), *(part for text in texts for part in text.split("="))]
    return any(part == root or part.startswith(f"{root}/") for part in parts)


def _parent(pid: int, proc: str) -> int:
    found = read(pid, proc)
    return found.parent if found else 0


def _name(pid: int | None) -> str | None:
    import psutil

    try:
        return psutil.Process(pid).name() if pid else None
    except psutil.Error:
        return None


def _user(uid: int) -> str:
    import pwd

    try:
        return f"user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"user {uid}"
