"""What another account of the machine can read or do: run as that account, it tries whatever it is given.

Standard library only. Reads JSON, `{"files": [...], "sockets": [...], "ports": [[host, port], ...], "urls": [...],
"pids": [...]}` and writes what it got: by kind, what was open to it, and how.
"""

from __future__ import annotations

import json
import os
import socket
import stat
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator

TIMEOUT_S = 3.0
MOST_BYTES = 4 * 1024 * 1024
# Of a process.
ENTRIES = ("cmdline", "comm", "stat", "status", "environ", "maps", "mem", "io", "stack", "syscall", "auxv", "wchan")
LINKS = ("cwd", "exe", "root")


def main() -> None:
    wanted = json.load(sys.stdin)
    found = {
        "files": dict(_files(wanted["files"])),
        "sockets": dict(_sockets(wanted["sockets"])),
        "ports": dict(_ports(wanted["ports"])),
        "urls": dict(_urls(wanted["urls"])),
        "processes": dict(_processes(wanted["pids"])),
    }
    json.dump(found, sys.stdout)


def _files(paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    for path in paths:
        ways = [word for word, can in (("read", _can_read(path)), ("write", _can_write(path))) if can]
        if ways:
            yield path, " and ".join(ways)


def _can_read(path: str) -> bool:
    try:
        if stat.S_ISDIR(os.stat(path).st_mode):
            os.listdir(path)
        else:
            os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


def _can_write(path: str) -> bool:
    try:
        return os.access(path, os.W_OK) and not os.path.islink(path)
    except OSError:
        return False


def _sockets(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """An abstract one begins with @."""
    for name in names:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(TIMEOUT_S)
            try:
                client.connect("\0" + name[1:] if name.startswith("@") else name)
            except OSError:
                continue
            yield name, "connect"


def _ports(addresses: Iterable[tuple[str, int]]) -> Iterator[tuple[str, str]]:
    for host, port in addresses:
        try:
            with socket.create_connection((host, port), timeout=TIMEOUT_S):
                yield f"{host}:{port}", "connect"
        except OSError:
            continue


def _urls(urls: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The status of each answer; where it leads elsewhere, that status."""
    opener = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}))
    for url in urls:
        try:
            with opener.open(url, timeout=TIMEOUT_S) as answer:
                yield url, str(answer.status)
        except urllib.error.HTTPError as error:
            yield url, str(error.code)
        except OSError:
            continue


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


def _processes(pids: Iterable[int]) -> Iterator[tuple[str, str]]:
    """The text of what is told in words; of links where they lead."""
    for pid in pids:
        for entry in ENTRIES:
            if (text := _read(f"/proc/{pid}/{entry}")) is not None:
                yield f"{pid}/{entry}", text
        for link in LINKS:
            try:
                yield f"{pid}/{link}", os.readlink(f"/proc/{pid}/{link}")
            except OSError:
                continue
        try:
            yield f"{pid}/fd", " ".join(os.listdir(f"/proc/{pid}/fd"))
        except OSError:
            continue


def _read(path: str) -> str | None:
    try:
        with open(path, "rb") as file:
            return file.read(MOST_BYTES).decode(errors="replace")
    except OSError:
        return None


if __name__ == "__main__":
    main()
