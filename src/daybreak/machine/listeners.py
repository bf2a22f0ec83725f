"""Who listens on which TCP port, and whether that process belongs to a cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from daybreak.programs.common.proc import PROC, arguments, contents, environment, null_separated, read, working_folder

LISTEN = "0A"
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


def listeners() -> dict[int, Listener]:
    """Every port of this machine with a listening socket; one look costs about 10 ms."""
    import psutil

    found = {port: Listener(uid=uid) for port, uid in _table()}
    try:
        connections = psutil.net_connections(kind="tcp")
    except (psutil.AccessDenied, OSError):
        return found
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.pid:
            port = int(connection.laddr[1])
            # A server's children share its socket: the lowest pid is nearly always the server itself.
            known = found.get(port, Listener())
            if known.pid is None or connection.pid < known.pid:
                found[port] = Listener(connection.pid, None, known.uid)
    return {port: Listener(who.pid, _name(who.pid), who.uid) for port, who in found.items()}


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
    found: dict[int, Listener] = {}
    for _ in range(MOST_LOOKS):
        holders, ours = listeners(), belongs_to(root)
        found = {port: holders[port] for port in ports if port in holders and not ours(holders[port])}
        if all(is_alive(holder) for holder in found.values()):
            break
    return {port: holder for port, holder in found.items() if is_alive(holder)}


def is_held_by(root: Path, port: int) -> bool:
    """Does a process of the cluster in the folder `root` listen on the port?"""
    return port in listeners() and not strangers([port], root)


def is_alive(holder: Listener, proc: str = PROC) -> bool:
    """Whether the process is still there and may hold a port, as far as it is known."""
    if holder.pid is None:
        return True
    found = read(holder.pid, proc)
    return found is not None and not found.zombie


def _table() -> Iterator[tuple[int, int]]:
    """Port and user of every listening socket, which Linux shows to everybody."""
    for table in ("net/tcp", "net/tcp6"):
        for line in contents(f"{PROC}/{table}").splitlines()[1:]:
            fields = line.split()
            if fields[3].decode() == LISTEN:
                yield int(fields[1].rpartition(b":")[2], 16), int(fields[7])


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
