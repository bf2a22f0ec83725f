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
) -> bytes:
    """That of an older daybreak's gateway where no server is given."""
    begin = (2 if server else 1, ended_ms, application, status, state, took_ms, data_ms, held_ms, 120)
    values = (*begin, *([server] if server else []), "GET", path)
    return "\t".join(map(str, values)).encode()
