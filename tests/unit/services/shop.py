"""A site like that of a machine, for tests of services: its folders and its Ray."""

from __future__ import annotations

from typing import Any

from daybreak.services.site import RayInstall, Site

FACTS: dict[str, Any] = {
    "base": "/work/shop",
    "root": "/state/shop",
    "runtime": "/tmp/daybreak-0/0123abcd",
    "logs": "/state/shop/logs",
    "data": "/state/shop/data",
    "secrets_folder": "/state/shop/secrets",
    "ray": RayInstall("2.60.0", "/venv/bin/python", "/venv/bin/ray"),
    "node_ip": "127.0.0.1",
}


def shop(**facts: Any) -> Site:
    """The site, with what a test says of it."""
    return Site(**(FACTS | facts))
