"""A GET for probes on this machine: no proxies, no redirects, no connection kept, so much read and no more.

Importing an HTTP library would cost the command more than all the probes of a start together.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

OK = 200
MOST_BYTES = 256 * 1024


@dataclass(frozen=True)
class Answer:
    """Status code and body text (chunk marks of a chunked body removed)."""

    status: int
    text: str


async def get(
    url: str, *, token: str | None = None, most_bytes: int = MOST_BYTES, any_certificate: bool = False
) -> Answer:
    """Fetch a URL, at most `most_bytes` of its body.

    Raises OSError where no complete answer comes; the caller sets the deadline.
    """
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=_tls(any_certificate) if secure else None)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        # Ray 2.20 fails on a request that does not say what it comes from.
        lines = [f"GET {target} HTTP/1.1", f"Host: {parts.netloc}", "User-Agent: daybreak", "Connection: close"]
        if token:
            lines.append(f"Authorization: Bearer {token}")
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        head = await _head(reader)
        status = int(head[0].split()[1])
        headers = {key.strip().lower(): value.strip() for key, _, value in (line.partition(":") for line in head[1:])}
        return Answer(status, (await _body(reader, headers, most_bytes)).decode(errors="replace"))
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, IndexError, ValueError) as error:
        raise OSError(f"{url} does not speak HTTP") from error
    finally:
        await close(writer)


def _tls(any_certificate: bool) -> ssl.SSLContext:
    """Made for each connection: a file of certificates that changes counts at once."""
    return ssl._create_unverified_context() if any_certificate else ssl.create_default_context()


async def _head(reader: asyncio.StreamReader) -> list[str]:
    raw = await reader.readuntil(b"\r\n\r\n")
    return raw.decode("latin-1").strip().split("\r\n")


async def _body(reader: asyncio.StreamReader, headers: dict[str, str], most_bytes: int) -> bytes:
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = b""
        while size := int((await reader.readline()).split(b";")[0], 16):
            body += await reader.readexactly(size)
            await reader.readline()
            if len(body) > most_bytes:
                break
        return body
    if "content-length" in headers:
        return await reader.readexactly(min(int(headers["content-length"]), most_bytes))
    return await reader.read(most_bytes)


async def close(writer: asyncio.StreamWriter) -> None:
    """Close a connection; what the other side makes of it does not matter."""
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
