"""Lines as the gateway writes them."""

from __future__ import annotations


def line(
    ended_ms: int,
    application: str = "shop",
    status: int = 200,
    state: str = "--",
    took_ms: int = 10,
    data_ms: int = 0,
    held_ms: int | str = 0,
    path: str = "/",
    server: str = "",
    request: str = "",
) -> bytes:
    """That of an older daybreak's gateway where no server is given. With a `request` it is one that may be kept."""
    version = 3 if request else 2 if server else 1
    begin = (version, ended_ms, application, status, state, took_ms, data_ms, held_ms, 120)
    values = (*begin, *([server] if version > 1 else []), "GET", path, *([request] if request else []))
    return "\t".join(map(str, values)).encode()
