"""Programs that start when somebody comes to their door.

Ray gives every node an agent for runtime environments; where no job, task or actor asks for one, nobody ever talks to
it, and thirty megabytes wait in vain. Its address is known, so the template listens there in its stead. Whoever
connects makes it fork, and the fork finds the connection waiting at its own socket: nothing is lost. When the template
ends its sockets end with it, and the real interpreter takes the address.
"""

import os
import socket
from typing import Any, Dict, List, Optional

PROGRAM = "/ray/_private/runtime_env/agent/main.py"
# Set by programs/node/start.py where this node's raylet does not wait for what the agent would write at its start.
ALLOWED = b"DAYBREAK_AGENTS_MAY_WAIT"
HOST, PORT = "--node-ip-address", "--runtime-env-agent-port"
BACKLOG = 128


def open_for(request: Dict[str, Any]) -> Optional[socket.socket]:
    """Listen where the program would; None where it must start at once."""
    program = request["program"]
    if not program["what"].endswith(PROGRAM) or request["env"].get(ALLOWED) != b"1":
        return None
    flags = dict(word.partition("=")[::2] for word in program["argv"][1:] if word.startswith("--"))
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        socket.inet_aton(flags[HOST])  # a name could mean something else to the program
        if int(flags[PORT]) == 0:
            raise ValueError
        made.bind((flags[HOST], int(flags[PORT])))
        made.listen(BACKLOG)
    except (OSError, KeyError, ValueError, OverflowError):
        made.close()
        return None
    return made


def hand_over(door: socket.socket, request: Dict[str, Any], received: List[int]) -> None:
    """In the fork, before it takes its launcher's files: the door becomes one of them, under a number of its own."""
    number = max([*request["fds"], 2]) + 1
    request["fds"] = [*request["fds"], number]
    request["door"] = number
    received.insert(len(received) - 1, door.detach())  # the last one is the pipe that holds the fork back


def take(number: int) -> None:
    """In the fork: the first socket that is bound to the door's address becomes the door, with whoever waits there."""
    os.set_inheritable(number, False)
    door = socket.socket(fileno=number)
    address = door.getsockname()
    bind = socket.socket.bind

    def bound(self: socket.socket, to: Any) -> None:
        if door.fileno() < 0 or not isinstance(to, tuple) or to[:2] != address:
            bind(self, to)
            return
        os.dup2(door.fileno(), self.fileno(), inheritable=False)
        self.settimeout(self.gettimeout())  # the template's end does not block
        door.close()

    setattr(socket.socket, "bind", bound)  # noqa: B010
