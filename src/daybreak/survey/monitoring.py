"""Finding what watches the cluster: Prometheus and Grafana, where this machine has them and their ports are free."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from daybreak.services.monitoring import GRAFANA, PROMETHEUS
from daybreak.services.site import GrafanaServer
from daybreak.spec.model import Spec
from daybreak.survey.listeners import belongs_to, listeners
from daybreak.survey.ports import is_free

LOOPBACK = "127.0.0.1"
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


def find_monitoring(spec: Spec, root: Path) -> Monitoring:
    """Look for both. A cluster comes up without them, so nothing here is an error."""
    found = Monitoring()
    if not spec.prometheus.enabled:
        return found
    program = shutil.which(PROMETHEUS)
    if not spec.page.enabled:
        found.absent[PROMETHEUS] = "not started: it reads the page's metrics, and the page is off (page: false)"
    elif program is None:
        found.absent[PROMETHEUS] = PROMETHEUS_PACKAGE
    elif why := _taken(spec, root, spec.port("prometheus"), PROMETHEUS):
        found.absent[PROMETHEUS] = why
    else:
        found.prometheus = program
        if spec.grafana.enabled:
            _add_grafana(found, spec, root)
    return found


def _add_grafana(found: Monitoring, spec: Spec, root: Path) -> None:
    server = find_grafana()
    if server is None:
        found.absent[GRAFANA] = GRAFANA_PACKAGE
    elif why := _taken(spec, root, spec.port("grafana"), GRAFANA):
        found.absent[GRAFANA] = why
    else:
        found.grafana = server


def find_grafana() -> GrafanaServer | None:
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


def _taken(spec: Spec, root: Path, port: int, name: str) -> str:
    """Why the port is not free for us; an empty text where it is, or where it is our own that listens."""
    for other, service in spec.services.items():
        if port in service.ports:
            return f"not started: port {port} is that of {other}; choose another: ports.{name}"
    if is_free(port, LOOPBACK):
        return ""
    holder = listeners().get(port)
    if holder is not None and belongs_to(root)(holder):
        return ""
    return (
        f"not started: port {port} is in use by {holder or 'another process'}; stop it, or choose another: ports.{name}"
    )
