"""Does this machine's own name resolve, and how long does that take?"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

from daybreak.extras.doctor.case import Case
from daybreak.extras.doctor.finding import Finding, ok, warning
from daybreak.show.text import seconds

SLOW_S = 0.5
WHY = "Ray, gRPC and databases ask for it while they start, and wait for the name server each time"


def look(case: Case) -> Iterator[Finding]:
    """Ask as every program does."""
    del case
    yield from judge(socket.gethostname())


def judge(hostname: str) -> Iterator[Finding]:
    """Resolve the name and take the time."""
    mend = f"echo '127.0.1.1 {hostname}' | sudo tee -a /etc/hosts"
    began = time.monotonic()
    try:
        found = socket.getaddrinfo(hostname, None, type=socket.SOCK_STREAM)
    except OSError as error:
        yield warning(f"the machine's name {hostname} does not resolve: {error.strerror or error}", WHY, mend)
        return
    took_s = time.monotonic() - began
    addresses = ", ".join(dict.fromkeys(str(row[4][0]) for row in found))
    if took_s > SLOW_S:
        yield warning(f"the machine's name {hostname} resolves to {addresses} after {seconds(took_s)}", WHY, mend)
    else:
        yield ok(f"{hostname} is {addresses}")
