"""A Ray cluster that somebody else started: Ray's own command, ports of its own, ended by pid alone."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.helpers import free_ports, has_gone, until

MARK = "STOCK_RAY_OF_A_TEST"
RAY = str(Path(sys.executable).parent / "ray")
PORTS = (
    "port",
    "dashboard-port",
    "dashboard-agent-grpc-port",
    "dashboard-agent-listen-port",
    "runtime-env-agent-port",
    "metrics-export-port",
    "node-manager-port",
    "object-manager-port",
    "ray-client-server-port",
)


@dataclass(frozen=True)
class Stock:
    """A running head, known by the folder that its processes name in their command lines, or else in their environment:
    an older Ray's client server names it nowhere else."""

    folder: Path
    ports: dict[str, int]

    def processes(self) -> list[psutil.Process]:
        """What runs for it, the oldest first."""
        found: list[tuple[float, psutil.Process]] = []
        for process in psutil.process_iter():
            try:
                words = [*process.cmdline(), process.environ().get(MARK, "")]
                if any(str(self.folder) in word for word in words):
                    found.append((process.create_time(), process))
            except psutil.Error:
                continue
        return [process for _, process in sorted(found, key=lambda each: each[0])]

    def pid(self, name: str) -> int:
        """The process whose program is called so, such as `raylet`."""
        return next(process.pid for process in self.processes() if _program(process) == name)

    def kill(self) -> None:
        """By pid, and none but its own: `ray stop` would end every Ray of this machine."""
        for process in self.processes():
            try:
                process.send_signal(signal.SIGKILL)
            except psutil.NoSuchProcess:
                continue
        until(lambda: all(has_gone(process) for process in self.processes()), what="the stock cluster has gone")


def _program(process: psutil.Process) -> str:
    """Its program's name; empty where it has ended meanwhile."""
    try:
        return Path(next(iter(process.cmdline()), "")).name
    except psutil.Error:
        return ""


@contextmanager
def stock_head(*options: str) -> Iterator[Stock]:
    """`ray start --head` with these options, and with everything else kept apart from other clusters."""
    folder = Path(tempfile.mkdtemp(prefix="rs", dir="/tmp"))
    made = Stock(folder, dict(zip(PORTS, free_ports(len(PORTS)), strict=True)))
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("DAYBREAK_", "RAY_"))}
    command = [RAY, "start", "--head", f"--temp-dir={folder}", "--disable-usage-stats", "--num-cpus=1"]
    command += [f"--{name}={port}" for name, port in made.ports.items()]
    try:
        done = subprocess.run(
            [*command, "--node-ip-address=127.0.0.2", "--object-store-memory=100000000", *options],
            env=kept | {"RAY_AUTH_MODE": "disabled", MARK: str(folder)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        yield made
    finally:
        made.kill()
        shutil.rmtree(folder, ignore_errors=True)
