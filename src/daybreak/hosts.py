"""Addresses to listen on: who reaches them, and at which name."""

from __future__ import annotations

import ipaddress

LOOPBACK = "127.0.0.1"
_EVERYWHERE = {"0.0.0.0": LOOPBACK, "::": "::1"}


def reachable(host: str) -> str:
    """Where this machine reaches what listens on an address, as it stands in a URL."""
    found = _EVERYWHERE.get(host, host)
    return f"[{found}]" if ":" in found else found


def is_loopback(listen: str) -> bool:
    """Whether only this machine reaches it: `localhost` or a loopback address; any other name may mean anything."""
    try:
        return ipaddress.ip_address(listen).is_loopback
    except ValueError:
        return listen == "localhost"
