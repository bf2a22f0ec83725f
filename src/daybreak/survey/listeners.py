"""Which process listens on a TCP port."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
LISTEN = "0A"


@dataclass(frozen=True)
class Listener:
    """Who holds a port. `pid` and `name` are None where the kernel does not tell us, `user` where that is not known."""

    port: int
    pid: int | None = None
    name: str | None = None
    user: str | None = None

    def __str__(self) -> str:
        if self.pid is not None:
            return f"{self.name or 'a process'} (pid {self.pid})"
        return f"a process of user {self.user}" if self.user else "a process that cannot be seen from here"


def listener(port: int, proc: Path = PROC) -> Listener | None:
    """The process that listens on the port, on any address; None where nobody does."""
    rows = [(inode, uid) for found, inode, uid in _listening(proc) if found == port]
    if not rows:
        return _by_psutil(port) if not (proc / "net/tcp").exists() else None
    pid = _holder(proc, {f"socket:[{inode}]" for inode, _ in rows})
    if pid is None:
        return Listener(port, user=_user_name(rows[0][1]))
    return Listener(port, pid, _name(proc, pid), _user_name(rows[0][1]))


def _listening(proc: Path) -> Iterator[tuple[int, str, int]]:
    """Port, inode and uid of every listening socket."""
    for table in ("net/tcp", "net/tcp6"):
        try:
            lines = (proc / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == LISTEN:
                yield int(fields[1].rpartition(":")[2], 16), fields[9], int(fields[7])


def _holder(proc: Path, links: set[str]) -> int | None:
    """The oldest process with one of these sockets: a server's main process rather than the children it forked."""
    pids = sorted(int(entry.name) for entry in proc.iterdir() if entry.name.isdigit())
    for pid in pids:
        try:
            for descriptor in (proc / str(pid) / "fd").iterdir():
                if str(descriptor.readlink()) in links:
                    return pid
        except OSError:
            continue  # another user's, or gone meanwhile
    return None


def _name(proc: Path, pid: int) -> str | None:
    try:
        return (proc / str(pid) / "comm").read_text().strip()
    except OSError:
        return None


def _user_name(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _by_psutil(port: int) -> Listener | None:
    """The same where there is no /proc."""
    import psutil

    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        return None
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr[1] == port:
            pid = connection.pid
            return Listener(port, pid, psutil.Process(pid).name() if pid and psutil.pid_exists(pid) else None)
    return None
