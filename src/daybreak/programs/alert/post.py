"""Sends one POST and ends: its address comes on standard input, since a command line is everybody to read.

It is a process of its own because nothing else can be given up for certain: looking a name up, a handshake and a
server that answers a byte a second all have waits that no timeout of Python ends. Prints why it failed, without the
address; ends with 0 where the other side has taken it, REFUSED where asking again is of no use.
"""

from __future__ import annotations

import base64
import contextlib
import json
import sys
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

# As in the package, which this program does not see.
FAILED, REFUSED = 1, 3
# Of 4xx these come from a server that is busy.
AGAIN = (408, 425, 429)
MOST_BYTES = 2000
MOST_SHOWN = 200


class _Nowhere(urllib.request.HTTPRedirectHandler):
    """A redirected POST would arrive as a GET that says nothing."""

    def redirect_request(self, *_: Any) -> None:
        return None


def request_of(url: str, body: bytes) -> urllib.request.Request:
    """The request, with the account that stands in the address as HTTP has it."""
    parts = urlsplit(url)
    account, _, host = parts.netloc.rpartition("@")
    bare = urlunsplit((parts.scheme, host, parts.path, parts.query, ""))
    headers = {"Content-Type": "application/json", "User-Agent": "daybreak"}
    if account:
        headers["Authorization"] = "Basic " + base64.b64encode(unquote(account).encode()).decode()
    return urllib.request.Request(bare, data=body, headers=headers, method="POST")


def send(url: str, body: bytes, timeout_s: float) -> tuple[int, str]:
    """An exit code, and why it is not 0."""
    try:
        with urllib.request.build_opener(_Nowhere).open(request_of(url, body), timeout=timeout_s) as answer:
            answer.read(MOST_BYTES)
    except urllib.error.HTTPError as error:
        said = b""
        with contextlib.suppress(OSError), error:
            said = error.read(MOST_BYTES)
        return _refusal(error.code, said)
    except urllib.error.URLError as error:
        return FAILED, _words(error.reason)
    except (OSError, ValueError, EOFError) as error:
        return FAILED, _words(error)
    except Exception as error:  # http.client has errors of its own, which may repeat what was asked for
        return FAILED, type(error).__name__
    return 0, ""


def _refusal(status: int, body: bytes) -> tuple[int, str]:
    said = " ".join(body.decode(errors="replace").split())[:MOST_SHOWN]
    reason = f"HTTP {status}" + (f": {said}" if said and not said.startswith("<") else "")
    if 300 <= status < 400:
        reason = f"HTTP {status}: it is elsewhere now; redirects are not followed"
    return (REFUSED if 300 <= status < 500 and status not in AGAIN else FAILED), reason


def _words(reason: object) -> str:
    if isinstance(reason, TimeoutError):
        return "no answer in time"
    words = reason if isinstance(reason, str) else getattr(reason, "strerror", None)
    return str(words or type(reason).__name__)


def main() -> int:
    given = json.load(sys.stdin)
    url = given["url"]
    code, reason = send(url, json.dumps(given["body"]).encode(), given["timeout_s"])
    # Whatever an answer repeats of the address.
    parts = urlsplit(url)
    for secret in (url, parts.path, parts.query):
        if len(secret) > 1:
            reason = reason.replace(secret, "********")
    if reason:
        print(reason)
    return code


if __name__ == "__main__":
    sys.exit(main())
