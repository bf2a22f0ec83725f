"""Finding what watches the cluster: Prometheus, if this machine has it and its port is free for us."""

from __future__ import annotations

import shutil
from pathlib import Path

from daybreak.spec.model import Spec
from daybreak.survey.listeners import belongs_to, listeners
from daybreak.survey.ports import is_free

HOW_TO_GET = "not installed: the package `prometheus` of Debian and Ubuntu, or its program anywhere on PATH"


def find_prometheus(spec: Spec, root: Path) -> tuple[str, str]:
    """The program, or an empty text and why there is none; both empty where it is not wanted.

    A cluster comes up without it, so nothing here is an error.
    """
    if not spec.prometheus.enabled:
        return "", ""
    if not spec.page.enabled:
        return "", "not started: it reads the page's metrics, and the page is off (page: false)"
    program = shutil.which("prometheus")
    if program is None:
        return "", HOW_TO_GET
    port = spec.port("prometheus")
    for name, service in spec.services.items():
        if port in service.ports:
            return "", f"not started: port {port} is that of {name}; choose another: ports.prometheus"
    if not is_free(port, "127.0.0.1"):
        holder = listeners().get(port)
        if holder is None or not belongs_to(root)(holder):
            who = holder or "another process"
            return "", f"not started: port {port} is in use by {who}; stop it, or choose another: ports.prometheus"
    return program, ""
