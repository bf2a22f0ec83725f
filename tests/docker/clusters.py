"""Real clusters in containers: a sandbox of the integration tests, and what the engine has of it."""

from __future__ import annotations

import fcntl
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from daybreak.docker import labels
from daybreak.docker.docker_cli import Client
from daybreak.errors import EngineError
from tests import evidence
from tests.integration.conftest import Sandbox, make_sandbox

STARTER = Path(__file__).parents[2] / "src" / "daybreak" / "spec" / "starter" / "app.py"


class Docked:
    """One cluster and the engine that it runs in."""

    def __init__(self, sandbox: Sandbox, engine: Client) -> None:
        self.sandbox = sandbox
        self.engine = engine

    @property
    def ours(self) -> str:
        return f"label={labels.ROOT}={self.sandbox.root}"

    def containers(self) -> dict[str, str]:
        """Ids by service, whatever their state."""
        shown = '{{.Label "' + labels.SERVICE + '"}} {{.ID}}'
        lines = self.engine.ask("ps", "--all", "--no-trunc", "--filter", self.ours, "--format", shown).splitlines()
        return dict(line.split() for line in lines)

    def volumes(self) -> list[str]:
        return self.engine.ask("volume", "ls", "--quiet", "--filter", self.ours).splitlines()

    def networks(self) -> list[str]:
        return self.engine.ask("network", "ls", "--quiet", "--filter", self.ours).splitlines()

    def inspect(self, service: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = json.loads(self.engine.ask("inspect", self.containers()[service]))
        return found[0]

    def spoil(self, service: str, code: str) -> None:
        """Run a Python program in a service's container that may end both."""
        command = [self.engine.program, "exec", self.containers()[service], "python", "-c", code]
        subprocess.run(command, check=False, capture_output=True, timeout=60)

    def keeper_left(self) -> bool:
        """Whether nobody looks after the cluster."""
        with open(self.sandbox.root / "keeper.lock") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True

    def evidence(self) -> str:
        """The containers and how they ended; their logs, and Ray's, lie in the sandbox's folders."""
        shown = "{{.Name}} {{json .State}}"
        found = list(self.containers().values())
        return self.engine.ask("inspect", "--format", shown, *found) if found else "no containers"

    def remove(self) -> None:
        """Whatever a failed test has left."""
        for identity in self.containers().values():
            self.engine.ask("rm", "--force", "--volumes", identity)
        for name in self.volumes():
            self.engine.ask("volume", "rm", name)
        for name in self.networks():
            try:
                self.engine.ask("network", "rm", name)
            except EngineError:
                # A keeper that is just leaving has removed it.
                if name in self.networks():
                    raise


@contextmanager
def docked(folder: Path, engine: Client, name: str = "it") -> Iterator[Docked]:
    """A cluster for a test; nothing is left of it."""
    made = Docked(make_sandbox(folder, name), engine)
    containers = f"containers of {made.sandbox.home}"
    evidence.watch(containers, made.evidence)
    try:
        yield made
    finally:
        evidence.unwatch(containers)
        try:
            made.sandbox.tear_down()
        finally:
            made.remove()
