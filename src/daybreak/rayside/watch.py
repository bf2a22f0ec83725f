"""What stays of `ray start --block` once the node runs: `python -IS watch.py CHILDREN`, a JSON object, pids to names.

As Ray's command does: when a process of the node ends in a way that nobody asked for, the others are killed, and this
one ends with 1; when this one is asked to end, it asks the others first. Children are told by the kernel when it dies.
"""

import json
import os
import signal
import sys
import time
from typing import Dict, List, NoReturn

# What `ray stop` leaves: ended by itself, by SIGTERM, or by a handler of it.
EXPECTED = (0, signal.SIGTERM, -signal.SIGTERM, 128 + signal.SIGTERM)
GRACE_S = 10.0
LOOK_S = 0.05


def send(children: Dict[int, str], number: int) -> None:
    """To all of them. A child that was not waited for keeps its pid, so none of these is somebody else's."""
    for pid in children:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def end(children: Dict[int, str]) -> NoReturn:
    """Ask them, kill what has not ended in time."""
    send(children, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_S
    while children and time.monotonic() < deadline:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            break
        children.pop(pid, None)
        if not pid:
            time.sleep(LOOK_S)
    send(children, signal.SIGKILL)
    os._exit(1)


def watch(children: Dict[int, str]) -> NoReturn:
    """Wait for the first that ends as nobody wanted. Ends when none is left."""
    while children:
        pid, status = os.wait()
        name = children.pop(pid, None)
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
        if name is None or code in EXPECTED:
            continue
        how = f"exit code {code}" if code > 0 else f"signal {-code}"
        print(f"Some Ray subprocesses exited unexpectedly: {name} (pid {pid}) by {how}. The others are killed.")
        sys.stdout.flush()
        send(children, signal.SIGKILL)
        os._exit(1)
    os._exit(0)


def main(arguments: List[str]) -> NoReturn:
    children = {int(pid): str(name) for pid, name in json.loads(arguments[0]).items()}
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: end(children))
    watch(children)


if __name__ == "__main__":
    main(sys.argv[1:])
