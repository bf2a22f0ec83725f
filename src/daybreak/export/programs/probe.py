"""Whether a service in this container is ready: `probe.py tcp PORT` or `probe.py http URL` (2xx or 3xx)."""

import http.client
import socket
import sys
from typing import Optional
from urllib.parse import urlsplit

TIMEOUT_S = 4.5


def tcp(port: str) -> Optional[str]:
    """Why not; None where a connection is accepted."""
    try:
        socket.create_connection(("127.0.0.1", int(port)), timeout=TIMEOUT_S).close()
    except OSError as error:
        return f"port {port}: {error}"
    return None


def web(url: str) -> Optional[str]:
    """Why not; None where it answers with success or a redirect, which is not followed."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"{url}: {error}"
    finally:
        connection.close()
    return None if 200 <= status < 400 else f"{url}: {status}"


if __name__ == "__main__":
    sys.exit({"tcp": tcp, "http": web}[sys.argv[1]](sys.argv[2]))
