"""Ray as people keep it alive with Compose: containers for the nodes and the deployment, with `restart: always`."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import yaml

from bench.commands import RunFailed
from bench.compose import compose
from bench.faults.target import Look
from bench.faults.units import found, looked
from bench.measure import HOST, SERVE_PORT
from bench.restarts.code import COMPOSE_FILE, OLD, write

PROJECT = "bench-chaos"
UP_S, DOWN_S = 300.0, 120.0
# What a victim's service is called.
SERVICES = {"head": "head", "worker": "worker-1", "serve": "serve"}


class Containers:
    """The nodes of the other comparison with containers. `close` leaves nothing of them."""

    def __init__(self, folder: Path, offset: int) -> None:
        """Raises RunFailed where they do not come up."""
        folder.mkdir()
        self.port = SERVE_PORT + offset
        write(folder, OLD)
        file = folder / COMPOSE_FILE
        file.write_text(yaml.safe_dump(_always(yaml.safe_load(file.read_text()), self.port)))
        self._command = compose(str(file))
        try:
            self._run(UP_S, "up", "--detach")
            self._services = {self._run(DOWN_S, "ps", "--quiet", name): told for name, told in SERVICES.items()}
        except RunFailed:
            self.close()
            raise

    def look(self) -> Look:
        """As victims are found in daybreak's own."""
        pids = [(service, int(pid)) for pid in filter(str.isdecimal, os.listdir("/proc")) if (service := self._of(pid))]
        return looked([one for service, pid in pids if (one := found(service, pid))])

    def close(self) -> None:
        self._run(DOWN_S, "down", "--volumes", "--timeout", "1")

    def _of(self, pid: str) -> str | None:
        """The service whose container has that process."""
        try:
            groups = Path(f"/proc/{pid}/cgroup").read_text()
        except OSError:
            return None
        return next((service for container, service in self._services.items() if container in groups), None)

    def _run(self, patience_s: float, *words: str) -> str:
        command = [*self._command, *words]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=True, timeout=patience_s, errors="replace"
            )
        except subprocess.TimeoutExpired:
            raise RunFailed(f"docker compose {words[0]} has not ended within {patience_s:.0f} s") from None
        except subprocess.CalledProcessError as error:
            raise RunFailed(f"docker compose {words[0]}: {error.stderr.strip()}") from None
        return done.stdout.strip()


def _always(project: dict[str, Any], port: int) -> dict[str, Any]:
    """With what keeps it alive, and one port of this machine alone."""
    for service in project["services"].values():
        service["restart"] = "always"
    project["services"]["head"]["ports"] = [f"{HOST}:{port}:{SERVE_PORT}"]
    return {**project, "name": PROJECT}
