"""Talking to a keeper from a command: plain sockets and JSON lines, so that `status` answers in an instant.

One connection carries one request and the lines that answer it: first that it was heard, then events, then one
`result` or `error`.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from daybreak.errors import KeeperError, NotRunning
from daybreak.files import read_book
from daybreak.keeper.control.error_json import error_from_json
from daybreak.naps import naps
from daybreak.paths import ClusterPaths

START_DEADLINE_S = 30.0
CONNECT_TIMEOUT_S = 5.0
REAP_S = 1.0
# So many keepers are started one after the other where each goes away before it has answered.
MOST_STARTS = 3
# A shell's code for what a signal has ended, and so many more as its number says.
KILLED = 128
KEEPER = "daybreak.keeper"
# `-m` with a folder to look in. A PYTHONPATH would say that, too, but the services would inherit it, and with it every
# library that lies beside daybreak: Ray may run in another environment.
RUN_MODULE = (
    "import runpy, sys; folder, module = sys.argv[1:3]; del sys.argv[1:3]; "
    "folder in sys.path or sys.path.insert(0, folder); runpy.run_module(module, run_name='__main__', alter_sys=True)"
)


class KeeperGone(KeeperError):
    """The keeper was killed, or has ended, while it was working."""


def unanswered(within_s: float) -> KeeperError:
    """It lives, and said nothing for so long."""
    return KeeperError(
        f"the keeper has not answered for {within_s:g} s",
        hint="it may be stopped or overloaded: see its state with `ps`; killing it leaves your services alone",
    )


class Connection:
    """One request to a keeper."""

    def __init__(self, connected: socket.socket, request: dict[str, Any]) -> None:
        self._socket = connected
        self._socket.settimeout(None)
        self._lines = self._socket.makefile("r", encoding="utf-8")
        self._request = json.dumps(request).encode() + b"\n"
        self._cancelled = False

    def heard(self, within_s: float = START_DEADLINE_S) -> bool:
        """Send the request; False where the keeper was about to leave and has not read it.

        Raises KeeperError where nothing at all comes back.
        """
        self._socket.settimeout(within_s)
        try:
            self._socket.sendall(self._request)
            return bool(self._lines.readline())
        except TimeoutError:
            raise unanswered(within_s) from None
        except ConnectionError:
            return False
        finally:
            self._socket.settimeout(None)

    def cancel(self) -> None:
        """Ask the keeper to end what was asked for; its answer comes as any other."""
        self._cancelled = True
        with contextlib.suppress(OSError):
            self._socket.sendall(b'{"cancel": true}\n')

    def set_timeout(self, seconds: float) -> None:
        """From now on, waiting longer than that for a line raises TimeoutError."""
        self._socket.settimeout(seconds)

    def set_deadline(self, at: float) -> None:
        """From now on, reading past that moment (monotonic seconds) raises TimeoutError."""
        self._socket.settimeout(max(0.001, at - time.monotonic()))

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Every line of the answer; raises KeeperGone where the keeper goes away in the middle."""
        ended = False
        for line in self._received():
            try:
                message: dict[str, Any] = json.loads(line)
            except ValueError:
                if self._cancelled:  # Ctrl-C came while it was read, and took its beginning away
                    continue
                raise
            yield message
            ended = "result" in message or "error" in message
            if ended:
                break
        if not ended:
            raise KeeperGone(
                "the keeper went away while it was working",
                hint="your services go on; run `daybreak status` to start a new keeper that takes them over",
            )

    def _received(self) -> Iterator[str]:
        """The lines as they come; a keeper that was killed ends them.

        Who stops in the midst, as Ctrl-C does, reads on later: `yield from` would close the file together with this.
        """
        with contextlib.suppress(ConnectionError):
            while line := self._lines.readline():
                yield line

    def result(self) -> Any:
        """Skip to the result; raises the error that the keeper answered with."""
        for message in self:
            if "error" in message:
                raise error_from_json(message["error"])
            if "result" in message:
                return message["result"]
        return None

    def close(self) -> None:
        self._lines.close()
        self._socket.close()


def connect(paths: ClusterPaths) -> socket.socket | None:
    """A connection to the running keeper, None where there is none.

    Raises KeeperError where another user answers: the socket's folder may be one that everybody can write to.
    """
    made = socket.socket(socket.AF_UNIX)
    made.settimeout(CONNECT_TIMEOUT_S)
    try:
        made.connect(str(paths.socket))
    except OSError:
        made.close()
        return None
    uid = _other_side(made)
    if uid != os.geteuid():
        made.close()
        raise KeeperError(
            f"{paths.socket} is served by user {uid}, not by you",
            hint="choose another place for sockets with DAYBREAK_RUNTIME=/short/path",
        )
    return made


def _other_side(connected: socket.socket) -> int:
    """The user who listens at the other end of a Unix socket, as the kernel knows it; ourselves where it does not."""
    if not hasattr(socket, "SO_PEERCRED"):
        return os.geteuid()
    _, uid, _ = struct.unpack("3i", connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return int(uid)


def answers(paths: ClusterPaths) -> bool:
    """Whether there is a keeper."""
    connected = connect(paths)
    if connected:
        connected.close()
    return connected is not None


def holder(paths: ClusterPaths) -> int | None:
    """The process that holds the cluster's lock, None where nobody does: a living keeper, whether it answers or not."""
    with contextlib.suppress(OSError, ValueError), open(paths.lock) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(lock.read())
    return None


def anything_recorded(paths: ClusterPaths) -> bool:
    """Whether a keeper would find something to look after, or to finish."""
    if paths.containers.exists() or any(paths.records.glob("*.json")):
        return True
    return bool(read_book(paths.wanted).get("under_way"))


def spawn(paths: ClusterPaths) -> subprocess.Popen[bytes]:
    """Start a keeper in the background; where two start at once the second ends by itself."""
    paths.ensure()
    source = str(Path(__file__).resolve().parents[3])
    with open(os.open(paths.keeper_log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as log:
        return subprocess.Popen(
            [sys.executable, "-P", "-c", RUN_MODULE, source, KEEPER, paths.name],
            env=_keepers_environment(paths, os.environ),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def spawn_aside(paths: ClusterPaths) -> None:
    """The same, for a command that does something else meanwhile: what was started for it is waited for beside."""
    threading.Thread(target=spawn(paths).wait, daemon=True).start()


def _keepers_environment(paths: ClusterPaths, environment: Mapping[str, str]) -> dict[str, str]:
    """This process's, without what a cluster has told it if it is a service of one: the keeper is nobody's service.

    The places are those of this command, absolute: the keeper works in another folder.
    """
    from daybreak.backends.process.inherited import HOME, RUNTIME, inherited, places
    from daybreak.backends.process.procfs import CLUSTER_MARKER

    given = places(environment)
    own = {HOME: str(paths.root.parent), RUNTIME: str(paths.runtime.parent), CLUSTER_MARKER: str(paths.root)}
    return inherited(environment) | {name: value for name, value in own.items() if name in {*given, CLUSTER_MARKER}}


def ensure(paths: ClusterPaths) -> socket.socket:
    """A connection to the cluster's keeper, which is started where there is none."""
    connected = connect(paths)
    if connected:
        return connected
    return await_keeper(paths, spawn(paths))


def await_keeper(paths: ClusterPaths, child: subprocess.Popen[bytes]) -> socket.socket:
    """Wait until the started keeper, or the one that was quicker, accepts connections. One that is killed before has
    left nobody who could tell: another one is started."""
    starts = 1
    for _ in naps(time.monotonic() + START_DEADLINE_S):
        connected = connect(paths)
        if connected:
            _reap(child)
            return connected
        code = child.poll()
        # What is below, or above, was killed: what was started here, or the keeper that it waited for.
        if code and 0 < code <= KILLED:
            raise KeeperError(f"the keeper ended with code {code} while it started", hint=f"see {paths.keeper_log}")
        if code is not None and holder(paths) is None:
            if starts == MOST_STARTS:
                why = f"{starts} keepers in a row went away while they started"
                raise KeeperError(why, hint=f"who kills them? See {paths.keeper_log}, and `dmesg` for the kernel")
            child, starts = spawn(paths), starts + 1
    if pid := holder(paths):
        raise KeeperError(
            f"the keeper (pid {pid}) lives, but nothing has answered at its socket {paths.socket} for "
            f"{START_DEADLINE_S:g} s",
            hint=f"it makes a deleted socket anew within seconds, unless it is stopped (`ps -o stat {pid}`): "
            f"see {paths.keeper_log}; killing it leaves your services alone",
        )
    raise KeeperError(f"the keeper did not answer within {START_DEADLINE_S:g} s", hint=f"see {paths.keeper_log}")


def _reap(child: subprocess.Popen[bytes]) -> None:
    """What was started here ends as soon as the keeper, its child, is there; one that does not is left alone."""
    try:
        child.wait(REAP_S)
    except subprocess.TimeoutExpired:
        child.returncode = 0


@contextlib.contextmanager
def request(paths: ClusterPaths, op: str, *, start: bool = True, **fields: Any) -> Iterator[Connection]:
    """Open one request. With `start` a missing keeper is started, else KeeperError is raised."""
    connection = _heard(paths, {"op": op, **fields}, start)
    try:
        yield connection
    finally:
        connection.close()


def _heard(paths: ClusterPaths, request: dict[str, Any], start: bool) -> Connection:
    """A request that a keeper has read; one that was just leaving is replaced."""
    for _ in naps(time.monotonic() + START_DEADLINE_S):
        connected = ensure(paths) if start else connect(paths)
        if connected is None:
            raise NotRunning(paths.name)
        connection = Connection(connected, request)
        try:
            if connection.heard():
                return connection
        except BaseException:
            connection.close()
            raise
        connection.close()
    raise KeeperError("the keeper leaves again and again", hint=f"see {paths.keeper_log}")
