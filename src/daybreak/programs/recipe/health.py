"""Whether a container is healthy: exit code 0 or 1, and one line that says why. The engine runs it every few seconds.

Healthy is where Serve answers, else where Ray itself says so: the head's GCS, or a worker's raylet.
DAYBREAK_HEALTH_URLS replaces the addresses, `host:port/path` separated by spaces: the first that answers 200 counts.
So do arguments, URLs of another service: there a redirect is an answer, too, and of `tcp://host:port` the connection.
"""

import os
import sys

# The module below `socket`: half of this program's time would go into importing what that one adds.
from _socket import AF_INET, SOCK_STREAM, gaierror, socket

SERVE = "127.0.0.1:8000/-/healthz"
HEAD = "127.0.0.1:8265/api/gcs_healthz"
WORKER = "127.0.0.1:52365/api/local_raylet_healthz"
# All attempts together end before the engine's 5 s.
TIMEOUT_S = 4.5
# Ray 2.20's dashboard answers 500 to who does not say what he is.
AGENT = "daybreak-health"


def answer(url: str, timeout_s: float) -> str:
    """The status that an address answers with, such as `200`, or why there is none."""
    address, _, path = url.partition("://")[2 if "://" in url else 0].partition("/")
    host, _, port = address.partition(":")
    connection = socket(AF_INET, SOCK_STREAM)
    try:
        if url.startswith("https://"):
            connection = with_tls(connection)
        connection.settimeout(timeout_s)
        connection.connect((host, int(port or 80)))
        if url.startswith("tcp://"):
            return "200"
        lines = (f"GET /{path} HTTP/1.0", f"Host: {address}", f"User-Agent: {AGENT}", "Connection: close", "", "")
        connection.sendall("\r\n".join(lines).encode())
        head = b""
        while b"\r\n" not in head:
            part = connection.recv(4096)
            if not part:
                break
            head += part
    except (OSError, gaierror, ValueError) as error:
        return str(error)
    finally:
        connection.close()
    words = head.split(None, 2)
    return words[1].decode("ascii", "replace") if len(words) > 1 and head.startswith(b"HTTP/") else "no answer"


def with_tls(connection: socket) -> socket:
    """Speaks TLS with any certificate: that of a public name is right here, too."""
    import ssl
    from socket import socket as whole

    own = whole(AF_INET, SOCK_STREAM, fileno=connection.detach())
    return ssl._create_unverified_context().wrap_socket(own)


def urls(arguments: "list[str]") -> "list[str]":
    """What to ask, in turn. Only a head has a dashboard, so where nothing listens there this is a worker."""
    return arguments or os.environ.get("DAYBREAK_HEALTH_URLS", "").split() or [SERVE, HEAD, WORKER]


def main() -> int:
    asked = urls(sys.argv[1:])
    reasons = []
    for url in asked:
        status = answer(url, TIMEOUT_S / len(asked))
        if status == "200" or (sys.argv[1:] and status.isdigit() and 200 <= int(status) < 400):
            sys.stdout.write(f"{url}: {status}\n")
            return 0
        reasons.append(f"{url}: {status}")
        if url == HEAD and status.isdigit():
            break  # a head whose GCS is ill is not healthy, whatever its raylet says
    sys.stdout.write("; ".join(reasons) + "\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
