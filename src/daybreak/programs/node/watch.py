"""What stays of `ray start --block` once the node runs: `python -IS watch.py FILE`.

FILE is the number of an open file with a JSON object of pids; each has a `name` and, where the node can do without it
for a moment, the `command` that starts it again, the variables that it has (`env`) beside those of this process, and
where it writes (`out`, `err`). Such a helper is started again. When another process of the node ends in a way that
nobody asked for, the others are killed, as Ray's command does, and this one ends with 1; when this one is asked to end,
it asks the others first.
"""

import json
import os
import signal
import sys
import time
from typing import Any, Dict, List, NoReturn, Optional, Tuple

# What `ray stop` leaves: ended by itself, by SIGTERM, or by a handler of it.
EXPECTED = (0, signal.SIGTERM, -signal.SIGTERM, 128 + signal.SIGTERM)
GRACE_S = 10.0
LOOK_S = 0.05
# Whoever ends again soon waits before the next start, each time twice as long.
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0


class Child:
    """One process of the node, and how it is started again."""

    def __init__(self, told: Dict[str, Any]) -> None:
        self.name = str(told["name"])
        self.command: Optional[List[str]] = told.get("command")
        self.env: Dict[str, str] = told.get("env") or {}
        self.files: Tuple[str, str] = (told.get("out") or os.devnull, told.get("err") or os.devnull)
        self.since = 0.0
        self.pause_s = 0.0
        self.due = 0.0

    def start(self) -> int:
        """Its pid. As Ray does, it is not to end by a Ctrl-C that is meant for somebody else."""
        assert self.command
        self.since = time.monotonic()
        writes = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        opened = [(os.POSIX_SPAWN_OPEN, number + 1, path, writes, 0o600) for number, path in enumerate(self.files)]
        return os.posix_spawn(
            self.command[0],
            self.command,
            {**os.environ, **self.env},
            file_actions=opened,
            setsigmask=[signal.SIGINT],
            setsigdef=[signal.SIGTERM, signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ],
        )

    def put_off(self) -> None:
        """It has ended: from when on it may be started again."""
        now = time.monotonic()
        lived_long = now - self.since > LONGEST_PAUSE_S
        self.due = now + (0.0 if lived_long else self.pause_s)
        self.pause_s = SHORTEST_PAUSE_S if lived_long else min(LONGEST_PAUSE_S, self.pause_s * 2 or SHORTEST_PAUSE_S)


def send(children: Dict[int, Child], number: int) -> None:
    """To all of them. A child that was not waited for keeps its pid, so none of these is somebody else's."""
    for pid in children:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def end(children: Dict[int, Child]) -> NoReturn:
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


def watch(children: Dict[int, Child]) -> NoReturn:
    """Start helpers again, until the first of the others ends as nobody wanted. Ends when none of those is left."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    ended: List[Child] = []
    while any(not child.command for child in children.values()):
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid:
            child = children.pop(pid, None)
            code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
            if child is not None and code not in EXPECTED:
                how = f"{child.name} (pid {pid}) by {f'exit code {code}' if code > 0 else f'signal {-code}'}"
                if not child.command:
                    lose(how, children)
                child.put_off()
                ended.append(child)
                print(f"One of Ray's helpers has ended: {how}. It is started again.", flush=True)
            continue
        now = time.monotonic()
        for child in [child for child in ended if child.due <= now]:
            try:
                children[child.start()] = child
                ended.remove(child)
            except OSError as error:
                print(f"{child.name} cannot be started: {error}", flush=True)
                child.put_off()
        due = min((child.due for child in ended), default=now + LONGEST_PAUSE_S)
        signal.sigtimedwait({signal.SIGCHLD}, max(0.0, due - now))
    send(children, signal.SIGTERM)
    os._exit(0)


def lose(how: str, children: Dict[int, Child]) -> NoReturn:
    """The node ends: it has lost what it cannot do without."""
    print(f"Some Ray subprocesses exited unexpectedly: {how}. The others are killed.", flush=True)
    send(children, signal.SIGKILL)
    os._exit(1)


def main(arguments: List[str]) -> NoReturn:
    with open(int(arguments[0]), "rb") as file:
        children = {int(pid): Child(told) for pid, told in json.load(file).items()}
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: end(children))
    watch(children)


if __name__ == "__main__":
    main(sys.argv[1:])
