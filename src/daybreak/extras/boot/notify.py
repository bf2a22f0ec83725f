"""What a process tells systemd of itself: datagrams to a socket whose name is in its environment (sd_notify(3))."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass

ADDRESS = "NOTIFY_SOCKET"
PERIOD, FOR_WHOM = "WATCHDOG_USEC", "WATCHDOG_PID"
# What systemd tells this process alone; most of it is another one with every start.
OWN = (
    *(ADDRESS, PERIOD, FOR_WHOM, "INVOCATION_ID", "JOURNAL_STREAM", "SYSTEMD_EXEC_PID", "MANAGERPID"),
    *("MANAGERPIDFDID", "MAINPID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "MEMORY_PRESSURE_WATCH"),
    *("MEMORY_PRESSURE_WRITE", "NOTIFY_ACCESS"),
)


@dataclass(frozen=True)
class Notifier:
    """Tells systemd; nobody where it was not systemd that has started this process.

    `watchdog_s` is how long what it watches may be silent; None where it does not watch.
    """

    address: str = ""
    watchdog_s: float | None = None

    @classmethod
    def taken_from(cls, environment: MutableMapping[str, str]) -> Notifier:
        """What is for this process is taken out: nothing that it starts speaks for it."""
        address, watchdog_s = environment.get(ADDRESS, ""), _watchdog_s(environment)
        for name in OWN:
            environment.pop(name, None)
        return cls(address, watchdog_s if address else None)

    def __call__(self, *lines: str) -> None:
        """Tell these assignments, such as `READY=1`. Nobody is waited for: where it cannot be told it is lost."""
        if not self.address:
            return
        # `@` stands for the zero byte with which the name of an abstract socket begins.
        name = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        told = "\n".join(line.replace("\n", " ") for line in lines)
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as opened:
            opened.setblocking(False)
            opened.sendto(told.encode(), name)


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    if environment.get(FOR_WHOM, str(os.getpid())) != str(os.getpid()):
        return None
    period = environment.get(PERIOD, "")
    return int(period) / 1e6 if period.isdecimal() and int(period) else None
