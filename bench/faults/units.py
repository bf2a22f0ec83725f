"""Stock Ray as people keep it alive: units of `ray start --block` and `serve run`, each with `Restart=always`.

Where systemd is not process 1 (in a container) its place is taken by what does the same for a unit: when the first
process has ended, whatever else the unit has is killed (`KillMode=control-group`), and after `RestartSec` (100 ms)
the command is begun anew, without a limit (`StartLimitIntervalSec=0`).
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from bench.commands import BIN, environment
from bench.faults.target import Found, Look
from bench.measure import HOST, SERVE_PORT
from bench.restarts.code import LOADED, OLD, app
from bench.systems import agent_ports
from daybreak.backends.process import procfs

RESTART_S = 0.1
MARK = "BENCH_UNIT"
ENDS_S = 20.0
# Of the head, of its dashboard, and of its client server.
PORTS = {"--port": 6379, "--dashboard-port": 8265, "--ray-client-server-port": 10001}


class Unit:
    """One command that is always begun anew. Its processes are known by a variable."""

    def __init__(self, name: str, argv: list[str], env: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self._argv = argv
        self._mark = f"{folder}/{name}"
        self._env = {**env, MARK: self._mark}
        self._folder = folder
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """Raises TimeoutError where something of it is still there."""
        self._over.set()
        self._kill_all()
        self._thread.join(ENDS_S)
        deadline_s = time.monotonic() + ENDS_S
        while self._kill_all():
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"{self.name} does not end")
            time.sleep(RESTART_S)

    def processes(self) -> Iterator[Found]:
        """All that it has, whoever started them."""
        wanted = f"{MARK}={self._mark}".encode()
        for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))):
            try:
                variables = Path(f"/proc/{pid}/environ").read_bytes().split(bytes(1))
            except OSError:
                continue
            if wanted in variables and (one := found(self.name, pid)):
                yield one

    def _keep(self) -> None:
        while not self._over.is_set():
            with (self._folder / f"{self.name}.log").open("ab") as log:
                process = subprocess.Popen(
                    self._argv, env=self._env, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
                )
            process.wait()
            self._kill_all()
            self._over.wait(RESTART_S)

    def _kill_all(self) -> int:
        found = list(self.processes())
        for one in found:
            try:
                os.kill(one.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        return len(found)


class Units:
    """A head, a worker node, and what deploys the application. `close` leaves nothing of them."""

    def __init__(self, folder: Path, offset: int) -> None:
        folder.mkdir()
        self.port = SERVE_PORT + offset
        (folder / f"{LOADED.serve_run.partition(':')[0]}.py").write_text(app(OLD))
        options = {"host": HOST, "port": self.port}
        applications = [{"name": "default", "route_prefix": "/", "import_path": LOADED.serve_run}]
        (folder / "serve.yaml").write_text(yaml.safe_dump({"http_options": options, "applications": applications}))
        address = f"{HOST}:{PORTS['--port'] + offset}"
        env = environment(folder, folder)
        node = ["--block", "--num-cpus=1", "--object-store-memory=100000000", "--disable-usage-stats"]
        ports = [f"{flag}={port + offset}" for flag, port in PORTS.items()]
        start, temporary = [str(BIN / "ray"), "start"], f"--temp-dir={folder}/t"
        commands = {
            "head": [*start, "--head", f"--node-ip-address={HOST}", temporary, *ports, *_agents(0, offset), *node],
            "worker-1": [*start, f"--address={address}", f"--temp-dir={folder}/w", *_agents(1, offset), *node],
            "serve": [str(BIN / "serve"), "run", "serve.yaml"],
        }
        self.units = [
            # A node would take the address for one that it is to join.
            Unit(name, argv, env | ({"RAY_ADDRESS": address} if name == "serve" else {}), folder)
            for name, argv in commands.items()
        ]
        for unit in self.units:
            unit.start()

    def look(self) -> Look:
        """As victims are found in daybreak's own."""
        return looked([one for unit in self.units for one in unit.processes()])

    def close(self) -> None:
        for unit in reversed(self.units):
            unit.end()


def found(service: str, pid: int) -> Found | None:
    """A process; None where it has ended."""
    one = procfs.read(pid)
    if one is None or one.zombie:
        return None
    return Found(service, pid, one.parent, one.started_ticks, one.comm, procfs.command_line(pid))


def looked(processes: Sequence[Found]) -> Look:
    """What nobody but its processes tells of."""
    replicas = [{"pid": one.pid, "state": "RUNNING"} for one in processes if one.title.startswith("ray::ServeReplica")]
    serving: dict[str, Any] = {"applications": [{"deployments": [{"replicas": replicas}]}]}
    return Look({"serving": serving}, processes)


def _agents(node: int, offset: int) -> list[str]:
    pairs = (word.rsplit("=", 1) for word in agent_ports(node))
    return [f"{flag}={int(port) + offset}" for flag, port in pairs]
