"""Addresses to listen on: who reaches them, and at which name; what a Host header names."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

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


def host_name(host: str) -> str | None:
    """The name or address in a Host header, in lower case and without port and brackets; None where it is none."""
    try:
        parts = urlsplit(f"//{host}")
        parts.port  # noqa: B018 - raises for what is no port
        clean = not (parts.path or parts.query or parts.fragment or parts.username or parts.password)
        return parts.hostname.rstrip(".") if parts.hostname and clean and "@" not in host else None
    except ValueError:
        return None


def is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
