"""Clients that connect and are silent, and such as do not read what they have asked for."""

from __future__ import annotations

import contextlib
import resource
import socket
from collections.abc import Iterator

import psutil

from bench.faults.target import Target
from daybreak.names import GATEWAY, POSTGRES, REDIS

SILENT = 1000
SLOW_READERS = 50
# Of those whose connections are refused or wait nothing more is asked.
CONNECT_S = 2.0
OWN_FILES = 500
# Whose doors are meant for people and programs.
SERVICES = (GATEWAY, POSTGRES, REDIS)
STREAM = b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n"


def doors(target: Target) -> list[tuple[str, int]]:
    """Where the cluster's gateway (with the dashboard behind it), databases and page listen."""
    look = target.look()
    pids = {one.pid for service in SERVICES for one in look.of(service)} | {look.status["keeper_pid"]}
    found = set()
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            found |= {
                (each.laddr.ip, each.laddr.port)
                for each in psutil.Process(pid).net_connections("tcp4")
                if each.status == psutil.CONN_LISTEN
            }
    return sorted(found)


def too_few_files(target: Target) -> str:
    needed, most = len(doors(target)) * SILENT + OWN_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return f"needs {needed} open files, and may have {most}" if 0 <= most < needed else ""


@contextlib.contextmanager
def silent(target: Target, count: int = SILENT) -> Iterator[int]:
    """So many connections to each door, none of which says anything; tells how many there are."""
    with _files(), contextlib.ExitStack() as stack:
        made = 0
        for address in doors(target):
            for _ in range(count):
                made += _connect(stack, address)
        yield made


@contextlib.contextmanager
def slow_readers(target: Target, count: int = SLOW_READERS) -> Iterator[None]:
    """They ask for streams, with a window as small as the system makes one, and read nothing."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            client = stack.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            client.settimeout(CONNECT_S)
            with contextlib.suppress(OSError):
                client.connect((target.host, target.port))
                client.sendall(STREAM)
        yield


def _connect(stack: contextlib.ExitStack, address: tuple[str, int]) -> bool:
    with contextlib.suppress(OSError):
        stack.enter_context(socket.create_connection(address, timeout=CONNECT_S))
        return True
    return False


@contextlib.contextmanager
def _files() -> Iterator[None]:
    """Meanwhile this process may have as many files open as the system lets it."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
