"""Stands in for a program in the head's container: `python -IS stand_in.py SOCKET REQUEST`.

It runs on the machine itself. REQUEST (JSON: `argv`, `cwd`) goes to the container's first program (`node.py`) with this
process's standard files, so the program there reads and writes what this one was given. Its environment goes with it:
the variables that begin with `WITHIN_`, under the rest of their names; in a command line everybody could read them.
So do files: the variable DAYBREAK_FILES has their paths there, each with that of the one here (JSON).
Signals are forwarded, and this process ends as the program ends. When this process is killed, the program is, too.

Words on the socket, each a line of text: `signal NUMBER` to the container, `status WAIT-STATUS` back.
"""

import base64
import json
import os
import signal
import socket
import sys
import time
from typing import NoReturn

if not __package__:  # run as a file: its neighbours are found under a name that nobody else has, and nowhere else
    sys.modules["daybreak_programs"] = shelf = type(sys)("daybreak_programs")
    here = os.path.dirname(os.path.abspath(__file__))
    shelf.__path__ = [os.path.dirname(here)]
    sys.path[:] = [folder for folder in sys.path if folder != here]
    __package__ = "daybreak_programs.node"

from ..common import framed
from ..common.stand_in import end_like, forward_signals

# The container's first program listens a moment after the container has been started.
CONNECT_S = 30.0
NAP_S = 0.005
PREFIX = "WITHIN_"
FILES = "DAYBREAK_FILES"
# Whoever learns meanwhile that the container has ended, ends this process.
LOST_S = 3.0
CANNOT_START = 127


def connect(path: str, deadline_s: float) -> socket.socket:
    """A connection to the container. Raises OSError where nobody takes requests within the deadline."""
    until = time.monotonic() + deadline_s
    while True:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            made.connect(path)
            return made
        except OSError:
            made.close()
            if time.monotonic() >= until:
                raise
        time.sleep(NAP_S)


def complete(request: str) -> bytes:
    """The request with the program's environment and files. Raises OSError where one cannot be read."""
    env = {name[len(PREFIX) :]: value for name, value in os.environ.items() if name.startswith(PREFIX)}
    files = {there: content_of(here) for there, here in json.loads(os.environ.get(FILES, "{}")).items()}
    return json.dumps({**json.loads(request), "env": env, "files": files}).encode()


def content_of(path: str) -> str:
    """In base64: it may be any bytes."""
    with open(path, "rb") as file:
        return base64.b64encode(file.read()).decode()


def forward_to(connection: socket.socket) -> None:
    """From now on signals go to the container."""

    def forward(number: int, _frame: object) -> None:
        stops = number == signal.SIGTSTP
        try:
            # The program leads a session of its own, where the kernel ignores what a terminal's user stops others with.
            connection.sendall(f"signal {int(signal.SIGSTOP if stops else number)}\n".encode())
        except OSError:
            pass  # it has just ended: its status comes next
        if stops:
            os.kill(os.getpid(), signal.SIGSTOP)

    # Not the one that a connection without a reader causes.
    forward_signals(forward, but=(signal.SIGPIPE,))


def wait(connection: socket.socket) -> int:
    """The program's wait status. The end of the container is its end by SIGKILL."""
    with connection.makefile("r", encoding="utf-8") as lines:
        word, _, rest = lines.readline().strip().partition(" ")
    if word == "status":
        return int(rest)
    # The engine tells the end of the container a moment later. Who hears of this one first takes it for a crash of its
    # own, and would start it again where nothing is any more.
    time.sleep(LOST_S)
    return int(signal.SIGKILL)


def main() -> NoReturn:
    try:
        connection = connect(sys.argv[1], CONNECT_S)
        forward_to(connection)
        framed.send(connection, complete(sys.argv[2]), [0, 1, 2])
        status = wait(connection)
    except OSError as error:
        print(f"the container of the head takes no requests at {sys.argv[1]}: {error}", file=sys.stderr)
        os._exit(CANNOT_START)
    end_like(status)


if __name__ == "__main__":
    main()
