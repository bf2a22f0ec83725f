"""What the gateway has in its folder, which both sides know: HAProxy by its configuration, and the keeper. Pure."""

from __future__ import annotations


def runtime_socket(folder: str) -> str:
    """Where HAProxy takes commands."""
    return f"{folder}/admin.sock"


def log_socket(folder: str) -> str:
    """Where the keeper reads a line for each request."""
    return f"{folder}/log.sock"


def state_map(folder: str) -> str:
    """What becomes of requests: `state` is `open`, `hold` or `page`."""
    return f"{folder}/state.map"


def shares_map(folder: str) -> str:
    """How many per cent of the requests go to a slot first: see `repeating`."""
    return f"{folder}/shares.map"


def routes_map(folder: str) -> str:
    """Which application answers below which route."""
    return f"{folder}/routes.map"


def tls_file(folder: str) -> str:
    """Certificate, chain and key."""
    return f"{folder}/tls.pem"


def page_file(folder: str) -> str:
    """What is answered while `state` is `page`: the content's type in the first line, then the content."""
    return f"{folder}/page"
