"""Whether this machine reaches itself: everything of a cluster talks over the loopback interface."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator

from daybreak.extras.doctor.case import Case
from daybreak.extras.doctor.finding import Finding, error, ok

# Ray's nodes have the second one, where there is one.
ADDRESSES = ("127.0.0.1", "127.0.0.2") if sys.platform == "linux" else ("127.0.0.1",)
TIMEOUT_S = 1.0
UP = "sudo ip link set lo up" if sys.platform == "linux" else "sudo ifconfig lo0 up"


def look(case: Case) -> Iterator[Finding]:
    """Listen at each address, and connect to it."""
    del case
    refused = {address: why for address in ADDRESSES if (why := reaches(address))}
    if not refused:
        yield ok(f"{' and '.join(ADDRESSES)} can be reached")
        return
    for address, why in refused.items():
        yield error(
            f"this machine does not reach itself at {address}: {why}",
            "Ray, the databases and the keeper's checks all talk over the loopback interface",
            UP,
            "ip -brief address show lo",
        )


def reaches(address: str) -> str:
    """Why a connection to the address fails; empty where it does not."""
    try:
        with socket.socket() as server, socket.socket() as client:
            server.bind((address, 0))
            server.listen(1)
            client.settimeout(TIMEOUT_S)
            client.connect(server.getsockname())
    except OSError as failed:
        return failed.strerror or str(failed) or "no answer"
    return ""
