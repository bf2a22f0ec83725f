"""Finding what watches the cluster: Prometheus and Grafana, where this machine has them and their ports are free.

With containers an image that the engine has goes before a program of the machine.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from daybreak.hosts import LOOPBACK
from daybreak.machine.listeners import is_held_by
from daybreak.machine.ports import is_free, owner_of
from daybreak.services.site import GrafanaServer
from daybreak.services.watching.containers import GRAFANA_SERVER, PROMETHEUS_PROGRAM
from daybreak.services.watching.processes import GRAFANA, PROMETHEUS
from daybreak.spec.check import promised
from daybreak.spec.model import Spec

NO_PORT = "not started: port"
PROMETHEUS_PACKAGE = "not installed: the package `prometheus` of Debian and Ubuntu, or its program anywhere on PATH"
GRAFANA_PACKAGE = "not installed: the package `grafana` from Grafana, or its program anywhere on PATH"
# Where packages put what the program needs beside itself.
GRAFANA_HOMES = ("/usr/share/grafana", "/opt/homebrew/share/grafana", "/usr/local/share/grafana")


@dataclass
class Monitoring:
    """What was found; `absent` says why something that is wanted is not there. Empty values are not to run."""

    prometheus: str = ""
    grafana: GrafanaServer | None = None
    absent: dict[str, str] = field(default_factory=dict)


def find_monitoring(
    spec: Spec,
    root: Path,
    *,
    serve_config: Mapping[str, Any] | None = None,
    images: Collection[str] | None = None,
    running: Collection[str] = (),
) -> Monitoring:
    """Look for both. A cluster comes up without them, so nothing here is an error.

    With containers `images` names those whose image is there, and `running` the services that have a container already:
    it is theirs that listens. A Serve config may have a port of its own.
    """
    found = Monitoring()
    if not spec.prometheus.enabled:
        return found
    if not spec.page.enabled:
        found.absent[PROMETHEUS] = "not started: it reads the page's metrics, and the page is off (page: false)"
        return found
    look = _Look(spec, root, promised(spec) | _of_config(serve_config), images, running)
    program = PROMETHEUS_PROGRAM if PROMETHEUS in (images or ()) else shutil.which(PROMETHEUS) or ""
    if why := look.unusable("prometheus", bool(program), PROMETHEUS_PACKAGE):
        found.absent[PROMETHEUS] = why
        return found
    found.prometheus = program
    look.taken[spec.port("prometheus")] = "ports.prometheus"
    if spec.grafana.enabled:
        server = GRAFANA_SERVER if GRAFANA in (images or ()) else _find_grafana()
        if why := look.unusable("grafana", server is not None, GRAFANA_PACKAGE):
            found.absent[GRAFANA] = why
        else:
            found.grafana = server
    return found


@dataclass
class _Look:
    """What both are judged by; `taken` are ports that are promised elsewhere, with their owners."""

    spec: Spec
    root: Path
    taken: dict[int, str]
    images: Collection[str] | None
    running: Collection[str]

    def unusable(self, name: Literal["prometheus", "grafana"], there: bool, package: str) -> str:
        """Why it cannot be started; an empty text where it can."""
        if not there:
            pull = f"no image {getattr(self.spec, name).image}: `daybreak prewarm` pulls it; and "
            return package if self.images is None else pull + package
        return "" if name in self.running else _taken(self.root, self.spec.port(name), name, self.taken)


def _of_config(config: Mapping[str, Any] | None) -> dict[int, str]:
    """The ports that a Serve config has, as far as they are numbers."""
    found = {}
    for key in ("http_options", "grpc_options"):
        options = (config or {}).get(key)
        port = options.get("port") if isinstance(options, Mapping) else None
        if isinstance(port, int):
            found[port] = f"{key}.port in serve.config"
    return found


def _find_grafana() -> GrafanaServer | None:
    """The `grafana` program (or `grafana-server`, as it was called before), and the folder with its files."""
    for name, subcommand in (("grafana", ("server",)), ("grafana-server", ())):
        program = shutil.which(name)
        if program is None:
            continue
        beside = Path(os.path.realpath(program)).parent.parent
        for home in (str(beside), *GRAFANA_HOMES):
            if Path(home, "conf", "defaults.ini").is_file():
                return GrafanaServer((program, *subcommand), home)
    return None


def _taken(root: Path, port: int, name: str, promised: Mapping[int, str]) -> str:
    """Why the port is not free for us; an empty text where it is, or where it is our own that listens."""
    if port in promised:
        return f"{NO_PORT} {port} is that of {promised[port]}; choose another: ports.{name}"
    if is_free(port, LOOPBACK) or is_held_by(root, port):
        return ""
    owner = owner_of(port, LOOPBACK)
    if not owner:
        return ""
    return f"{NO_PORT} {port} is in use by {owner}; stop it, or choose another: ports.{name}"
