"""Machines that are none: network namespaces on one switch, each with an address, a home and state folders of its own.

Files and processes are those of this machine: only the network is apart. Root makes them with iproute2.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from daybreak.naps import naps
from tests.integration.conftest import Sandbox, make_sandbox

# Of nobody else: each set of namespaces has its own switch.
SUBNET = "10.99.0"
COMMAND_S = END_S = 30.0
CLONE_NEWNET = 0x40000000


def unavailable() -> str:
    """Why there can be no such machines here; empty where there can."""
    if os.geteuid() != 0:
        return "only root makes network namespaces"
    if shutil.which("ip") is None:
        return "iproute2 is not installed"
    name = f"dbprobe{secrets.token_hex(3)}"
    made = subprocess.run(["ip", "netns", "add", name], check=False, capture_output=True, text=True)
    if made.returncode:
        return f"no network namespaces here: {made.stderr.strip()}"
    bridge = ["ip", "-n", name, "link", "add", "br0", "type", "bridge"]
    made = subprocess.run(bridge, check=False, capture_output=True, text=True)
    _ip("netns", "del", name)
    return f"no bridges here: {made.stderr.strip()}" if made.returncode else ""


def setns(descriptor: int) -> None:
    """This thread's network is that one from now on: `os.setns` is not there before Python 3.12."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def _ip(*words: str) -> str:
    done = subprocess.run(["ip", *words], check=False, capture_output=True, text=True, timeout=COMMAND_S)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"
    return done.stdout


@dataclass
class Host:
    """One machine: `cluster` is a sandbox whose command runs there."""

    address: str
    namespace: str
    cable: str
    switch: str
    cluster: Sandbox

    def pids(self) -> list[int]:
        """Every process there."""
        return [int(pid) for pid in _ip("netns", "pids", self.namespace).split()]

    def unplug(self) -> None:
        """Nobody reaches it any more, and it reaches nobody."""
        _ip("-n", self.switch, "link", "set", self.cable, "down")

    def plug(self) -> None:
        _ip("-n", self.switch, "link", "set", self.cable, "up")

    def get(self, url: str) -> str:
        """What a program there gets."""
        with self.inside(), urllib.request.urlopen(url, timeout=30) as answer:
            text: str = answer.read().decode()
            return text

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """This thread is there."""
        with open("/proc/thread-self/ns/net") as here, open(f"/run/netns/{self.namespace}") as there:
            setns(there.fileno())
            try:
                yield
            finally:
                setns(here.fileno())


@dataclass
class Machines:
    """Those of one test, on one switch."""

    folder: Path
    word: str = field(default_factory=lambda: secrets.token_hex(3))
    hosts: list[Host] = field(default_factory=list)

    @property
    def switch(self) -> str:
        return f"db{self.word}s"

    def make(self, count: int) -> list[Host]:
        _ip("netns", "add", self.switch)
        _ip("-n", self.switch, "link", "add", "br0", "type", "bridge")
        _ip("-n", self.switch, "link", "set", "br0", "up")
        for number in range(1, count + 1):
            self._add(number)
        return self.hosts

    def _add(self, number: int) -> None:
        namespace, cable, address = f"db{self.word}h{number}", f"v{self.word}{number}", f"{SUBNET}.{number}"
        folder = self.folder / f"host-{number}"
        home = folder / "home"
        home.mkdir(parents=True)
        cluster = make_sandbox(folder, f"host-{number}")
        cluster.inside, cluster.env = ("ip", "netns", "exec", namespace), {"HOME": str(home)}
        self.hosts.append(Host(address, namespace, cable, self.switch, cluster))
        _ip("netns", "add", namespace)
        _ip("-n", namespace, "link", "set", "lo", "up")
        _ip("link", "add", cable, "netns", self.switch, "type", "veth", "peer", "name", "eth0", "netns", namespace)
        _ip("-n", self.switch, "link", "set", cable, "master", "br0", "up")
        _ip("-n", namespace, "addr", "add", f"{address}/24", "dev", "eth0")
        _ip("-n", namespace, "link", "set", "eth0", "up")

    def take_away(self, patience_s: float = END_S) -> None:
        """Everything that runs there ends, whatever has failed before; what does not end by itself is an error."""
        with contextlib.ExitStack() as stack:
            stack.callback(self._remove, patience_s)
            for host in self.hosts:
                stack.callback(host.cluster.tear_down)

    def _left(self, there: list[str], patience_s: float) -> list[tuple[str, int]]:
        """What does not end; keepers need a moment for it when nothing is left to be kept."""
        left: list[tuple[str, int]] = []
        for _ in naps(time.monotonic() + patience_s):
            left = [(host.namespace, pid) for host in self.hosts if host.namespace in there for pid in host.pids()]
            if not left:
                break
        return left

    def _remove(self, patience_s: float) -> None:
        there = _ip("netns", "list").split()
        left = self._left(there, patience_s)
        for _, pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for namespace in (*(host.namespace for host in self.hosts), self.switch):
            if namespace in there:
                _ip("netns", "del", namespace)
        assert left == [], "processes were left"
