"""The network of a comparison with several machines: a switch that this machine is at, too, and namespaces on it. Root
makes them with iproute2."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.commands import BIN, RunFailed

SWITCH, SUBNET = "dbbench0", "10.98.0"
# This machine's address there.
FIRST = f"{SUBNET}.1"
IP = shutil.which("ip") or "ip"
ENV = shutil.which("env") or "env"
COMMAND_S = 30.0


def unavailable() -> str | None:
    """Why there can be no such machines here."""
    if os.geteuid() != 0:
        return "only root makes network namespaces"
    if not os.path.exists(IP):
        return "iproute2 is not installed"
    made = subprocess.run([IP, "netns", "list"], check=False, capture_output=True, text=True)
    return f"no network namespaces here: {made.stderr.strip()}" if made.returncode else None


@dataclass(frozen=True)
class Far:
    """One machine, from 1 on: its address, and how a command is typed there. It has a home and state folders of its own
    below the folder of the run."""

    run: Path
    number: int

    @property
    def address(self) -> str:
        return f"{SUBNET}.{self.number + 1}"

    @property
    def namespace(self) -> str:
        return f"dbbench{self.number}"

    @property
    def cable(self) -> str:
        return f"dbv{self.number}"

    @property
    def folder(self) -> Path:
        return self.run / f"m{self.number}"

    @property
    def variables(self) -> dict[str, str]:
        """What is other there."""
        places = {"DAYBREAK_HOME": "state", "DAYBREAK_RUNTIME": "r", "HOME": "home"}
        return {name: str(self.folder / place) for name, place in places.items()}

    def words(self, program: str, *rest: str) -> tuple[str, ...]:
        """A program of this environment, or one by its path, as it is run there."""
        own = (f"{name}={value}" for name, value in self.variables.items())
        return (IP, "netns", "exec", self.namespace, ENV, *own, str(BIN / program), *rest)

    def plug(self, *, into: bool) -> None:
        """Its cable goes into the switch, or out of it."""
        _ip("link", "set", self.cable, "up" if into else "down")


def make(run: Path, count: int) -> list[Far]:
    """So many machines for a run with that folder. Raises RunFailed."""
    remove()
    _ip("link", "add", SWITCH, "type", "bridge")
    _ip("addr", "add", f"{FIRST}/24", "dev", SWITCH)
    _ip("link", "set", SWITCH, "up")
    made = [Far(run, number) for number in range(1, count + 1)]
    for far in made:
        (far.folder / "home").mkdir(parents=True)
        _ip("netns", "add", far.namespace)
        _ip("-n", far.namespace, "link", "set", "lo", "up")
        _ip("link", "add", far.cable, "type", "veth", "peer", "name", "eth0", "netns", far.namespace)
        _ip("link", "set", far.cable, "master", SWITCH, "up")
        _ip("-n", far.namespace, "addr", "add", f"{far.address}/24", "dev", "eth0")
        _ip("-n", far.namespace, "link", "set", "eth0", "up")
    return made


def remove() -> None:
    """Everything of it that is there, with what runs on it."""
    for path in Path("/run/netns").glob("dbbench*"):
        found = subprocess.run([IP, "netns", "pids", path.name], check=False, capture_output=True, text=True)
        for pid in found.stdout.split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        subprocess.run([IP, "netns", "del", path.name], check=False, capture_output=True)
    subprocess.run([IP, "link", "del", SWITCH], check=False, capture_output=True)


def _ip(*words: str) -> None:
    done = subprocess.run([IP, *words], check=False, capture_output=True, text=True, timeout=COMMAND_S)
    if done.returncode:
        raise RunFailed(f"ip {' '.join(words)}: {done.stderr.strip()}")
