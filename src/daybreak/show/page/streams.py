"""Server-sent events: the keeper's events, and lines of logs as they are written."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from starlette.responses import PlainTextResponse, Response, StreamingResponse

from daybreak.show.page.event_text import sentence
from daybreak.show.page.live import Hub
from daybreak.show.page.logs import Follower

BEAT_S = 15.0
LOG_NAP_S = 0.4
AGAIN_MS = 2000


def message(data: Any, event: str = "") -> str:
    """One server-sent event. JSON has no line ends, so nothing in it can end the event."""
    name = f"event: {event}\n" if event else ""
    return f"{name}data: {json.dumps(data)}\n\n"


def events(hub: Hub) -> Response:
    """Every event from now on; `look` says that some were left out, and that it is time to look anew."""
    return _response(hub, _events(hub))


def log_lines(hub: Hub, follower: Follower) -> Response:
    """The last lines (event `last`), then new ones (event `more`), each as a list."""
    return _response(hub, _log_lines(hub, follower))


def _response(hub: Hub, content: AsyncIterator[str]) -> Response:
    if hub.full:
        return PlainTextResponse("Too many pages are open.\n", 503, headers={"retry-after": "5"})
    return StreamingResponse(content, headers={"content-type": "text/event-stream", "x-accel-buffering": "no"})


async def _events(hub: Hub) -> AsyncIterator[str]:
    with hub.reading() as reader:
        yield f"retry: {AGAIN_MS}\n\n"
        while not reader.closed:
            # All that wait are one message to the connection: one that was lost meanwhile is noticed in between.
            found = await reader.get(BEAT_S)
            parts = [message({**event.to_json(), "text": sentence(event)}) for event in found]
            if reader.behind:
                reader.behind = False
                parts.insert(0, message({}, "look"))
            # Without a sign of life nobody would notice that the other side is gone.
            yield "".join(parts) or ": still here\n\n"


async def _log_lines(hub: Hub, follower: Follower) -> AsyncIterator[str]:
    with hub.reading() as reader:
        yield f"retry: {AGAIN_MS}\n\n"
        yield message([line.to_json() for line in await asyncio.to_thread(follower.last)], "last")
        silent_s = 0.0
        while not reader.closed:
            # Its events do not matter here, but it is told when the page ends.
            await asyncio.sleep(LOG_NAP_S)
            lines = await asyncio.to_thread(follower.more)
            silent_s = 0.0 if lines else silent_s + LOG_NAP_S
            if lines:
                yield message([line.to_json() for line in lines], "more")
            elif silent_s > BEAT_S:
                silent_s = 0.0
                yield ": still here\n\n"
