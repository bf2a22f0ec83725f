"""Orders to a warm template, over its socket."""

from __future__ import annotations

import asyncio
import json
import logging
import marshal
from pathlib import Path
from typing import Any

from daybreak.programs.warm import registry

# The lowest format that every supported interpreter reads.
MARSHAL_VERSION = 4
ORDER_TIMEOUT_S = 30.0
# What is new is tried first, in a fork that is thrown away.
IMPORT_TIMEOUT_S = 300.0
CONNECT_DEADLINE_S = 5.0
MOST_BYTES = 4 * 1024 * 1024
CONNECT_NAP_S = 0.01
log = logging.getLogger(__name__)


async def tell(folder: Path, order: str, *, wait: bool = False, **details: Any) -> dict[str, Any] | None:
    """Tell the template in this folder; returns its state, None where none answers. `wait` for one that just starts."""
    try:
        async with asyncio.timeout(IMPORT_TIMEOUT_S if order == "import" else ORDER_TIMEOUT_S):
            reader, writer = await _connect(folder, wait)
            try:
                data = marshal.dumps({"order": order, **details}, MARSHAL_VERSION)
                writer.write(len(data).to_bytes(4, "little") + data)
                await writer.drain()
                kind = await reader.readexactly(1)
                size = int.from_bytes(await reader.readexactly(4), "little")
                if size > MOST_BYTES:  # a container may say anything
                    raise OSError(f"an answer of {size} bytes")
                text = await reader.readexactly(size)
            finally:
                writer.close()
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return None
    if kind != b"J":
        log.warning("the template refuses to %s: %s", order, text.decode(errors="replace"))
        return None
    state: dict[str, Any] = json.loads(text)
    return state


async def _connect(folder: Path, wait: bool) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect; with `wait` a template that is just being started is waited for."""
    deadline = asyncio.get_running_loop().time() + (CONNECT_DEADLINE_S if wait else 0.0)
    while True:
        try:
            return await asyncio.open_unix_connection(str(folder / registry.SOCKET))
        except OSError:
            if asyncio.get_running_loop().time() >= deadline:
                raise
        await asyncio.sleep(CONNECT_NAP_S)
