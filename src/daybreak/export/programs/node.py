"""One Ray node in a container: `node.py [--after HOST:PORT] [--vital NAME]... [--deploy REQUEST] -- ray start ...`.

Waits for the head's port, starts the node, and deploys the Serve applications beside it. Ends when one of the node's
vital processes has: `ray start --block` itself can outlive its raylet by minutes, and the container must end to be
started again. A deployment that failed is tried again, as long as the node runs.
"""

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
from typing import Dict, List, Optional, Set, Tuple

SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}
LOOK_S = 1.0
NAP_S = 0.1
PAUSE_S = 5.0
GRACE_S = 10.0
# Without its GCS a raylet does not end when asked.
LEFT_BEHIND_S = 0.5
GCS = "gcs_server"
DEPLOY = [sys.executable, "/etc/daybreak/deploy.py"]
# The health check asks for this file: it says that all applications run.
SERVING = "/tmp/daybreak-serving"


def say(text: str) -> None:
    print(f"daybreak: {text}", flush=True)


def wait_for(address: str, deadline_s: float) -> None:
    """Wait until the port accepts a connection. Raises TimeoutError after the deadline."""
    host, _, port = address.rpartition(":")
    deadline = time.monotonic() + deadline_s
    reason: Optional[OSError] = None
    while time.monotonic() < deadline:
        try:
            socket.create_connection((host, int(port)), timeout=5).close()
            return
        except OSError as error:
            reason = error
        # A signal ends the wait at once.
        if signal.sigtimedwait(SIGNALS - {signal.SIGCHLD}, NAP_S):
            raise SystemExit(0)
    raise TimeoutError(f"{address} does not answer within {deadline_s:g} s: {reason}")


def start(command: List[str]) -> "subprocess.Popen[bytes]":
    """Signals are blocked here, to be waited for; a child must get them."""
    return subprocess.Popen(command, preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS))


def stat(pid: int) -> Tuple[str, List[str]]:
    """A process's name, and what the kernel says after it: state, parent and more. Nothing where it has gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            name, _, rest = file.read().partition("(")[2].rpartition(")")
    except OSError:
        return "", []
    return name, rest.split()


def processes() -> List[int]:
    """All of this container."""
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]


def running(names: Set[str]) -> Set[str]:
    """Those of the names that processes of this container have."""
    return names & {name for name, rest in map(stat, processes()) if rest and rest[0] != "Z"}


class Deployment:
    """The program that deploys the applications; again and again until it has."""

    def __init__(self, request: str) -> None:
        self._request = request
        self._process: "Optional[subprocess.Popen[bytes]]" = None
        self._again_at = 0.0
        self._done = False

    def look(self) -> None:
        if self._done:
            return
        if self._process is None:
            if time.monotonic() >= self._again_at:
                self._process = start([*DEPLOY, self._request])
            return
        code = self._process.poll()
        if code is None:
            return
        self._process = None
        if code == 0:
            self._done = True
            open(SERVING, "w").close()
            say("the applications run")
        else:
            self._again_at = time.monotonic() + PAUSE_S
            say(f"the applications could not be deployed; next attempt in {PAUSE_S:g} s")

    def end(self) -> None:
        if self._process:
            self._process.kill()


def family(ancestor: int) -> List[int]:
    """A process and all that descend from it."""
    children: Dict[int, List[int]] = {}
    for pid in processes():
        _, rest = stat(pid)
        if rest:
            children.setdefault(int(rest[1]), []).append(pid)
    found = [ancestor]
    for pid in found:
        found += children.get(pid, [])
    return found


def end(node: "subprocess.Popen[bytes]", vital: Set[str], grace_s: float = GRACE_S) -> None:
    """Ask the node's processes to end, each one, and wait for the vital ones. The rest is killed with the container.

    `ray start` itself would drain the node for up to 30 s. The GCS has nothing to save, and a raylet needs it to end.
    """
    asked = vital - {GCS}
    for pid in family(node.pid):
        if stat(pid)[0] == GCS:
            continue
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            pass
    deadline = time.monotonic() + grace_s
    while time.monotonic() < deadline and (running(asked) if asked else node.poll() is None):
        time.sleep(NAP_S)
    if node.poll() is None:
        node.kill()


def watch(node: "subprocess.Popen[bytes]", vital: Set[str], deployment: Optional[Deployment]) -> int:
    """Until the node ends, is asked to, or has lost a vital process. The exit code for the container."""
    seen: Set[str] = set()
    while True:
        caught = signal.sigtimedwait(SIGNALS, LOOK_S)
        if caught and caught.si_signo != signal.SIGCHLD:
            end(node, vital)
            return 0
        if node.poll() is not None:
            say(f"ray start has ended with {node.returncode}")
            return node.returncode or 1
        there = running(vital)
        if lost := seen - there:
            say(f"{', '.join(sorted(lost))} has ended; so does this container")
            end(node, vital, LEFT_BEHIND_S)
            return 1
        seen |= there
        if deployment:
            deployment.look()


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--after", help="HOST:PORT that must answer first")
    parser.add_argument("--within", type=float, default=120.0, help="deadline of that, in seconds")
    parser.add_argument("--vital", action="append", default=[], help="name of a process that must not end")
    parser.add_argument("--deploy", help="what deploy.py is to deploy")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    if os.path.exists(SERVING):
        os.unlink(SERVING)
    if given.after:
        try:
            wait_for(given.after, given.within)
        except TimeoutError as error:
            say(str(error))
            return 1
    deployment = Deployment(given.deploy) if given.deploy else None
    # Before the node: its imports take as long as the head's start.
    if deployment:
        deployment.look()
    node = start([word for word in given.command if word != "--"])
    try:
        return watch(node, set(given.vital), deployment)
    finally:
        if deployment:
            deployment.end()


if __name__ == "__main__":
    sys.exit(main())
