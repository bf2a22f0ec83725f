"""What `localhost` means: daybreak listens on 127.0.0.1, and a program that tries ::1 finds nothing, or a stranger."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence

from daybreak.extras.doctor.case import Case
from daybreak.extras.doctor.diagnoses.ports import claims
from daybreak.extras.doctor.finding import Finding, error, note, ok, warning
from daybreak.machine.listeners import Socket, is_alive, sockets

V4, V6 = "127.0.0.1", "::1"
ADD_V4 = "echo '127.0.0.1 localhost' | sudo tee -a /etc/hosts"


def look(case: Case) -> Iterator[Finding]:
    """The addresses of `localhost`, then who listens on ::1 at our ports."""
    addresses = resolve()
    yield from judge(addresses)
    if V6 not in addresses:
        return
    ours = case.owns
    ports = {claim.port: claim.purpose for claim in claims(case.spec, case.base)}
    others = [found for found in sockets() if _takes_v6(found) and found.port in ports and not ours(found.holder)]
    # What has ended since it was listed shows nothing of whose it was.
    strangers = [found for found in others if is_alive(found.holder)]
    for found in strangers:
        yield _stranger(found, ports[found.port])
    if addresses[0] == V6 and case.running and not strangers:
        yield note(
            f"localhost is {V6} first, where the cluster does not listen",
            f"programs that try one address only get no answer from http://localhost; http://{V4} always works",
        )


def resolve() -> list[str]:
    """The addresses of `localhost` in the order in which programs try them."""
    try:
        rows = socket.getaddrinfo("localhost", None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return list(dict.fromkeys(str(row[4][0]) for row in rows))


def judge(addresses: Sequence[str]) -> Iterator[Finding]:
    """What is wrong with the name alone."""
    if V4 in addresses:
        yield ok(f"localhost is {', '.join(addresses)}")
    elif not addresses:
        yield error("localhost does not resolve", "Ray's own processes and most programs use that name", ADD_V4)
    elif V6 in addresses:
        yield warning(
            f"localhost is {V6} only",
            f"the cluster listens on {V4}: http://localhost gets no answer",
            ADD_V4,
        )
    else:
        yield error(
            f"localhost is {', '.join(addresses)}",
            "that is not this machine's loopback address",
            "cat /etc/hosts",
            ADD_V4,
        )


def _takes_v6(found: Socket) -> bool:
    return found.address in (V6, "::")


def _stranger(found: Socket, purpose: str) -> Finding:
    return warning(
        f"{found.holder} listens on [{found.address}]:{found.port}, the port of {purpose}",
        f"http://localhost:{found.port} reaches that program where ::1 is tried first, not the cluster",
        f"kill {found.holder.pid}" if found.holder.pid else f"ss -ltnp 'sport = :{found.port}'",
    )
