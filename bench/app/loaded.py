# mypy: disable-error-code="untyped-decorator, attr-defined"
"""The application that is restarted under load: what takes a moment, what takes 2 s, what is streamed, and a WebSocket.

Every answer says which version of this file gave it. `bench.restarts.code` changes the first three constants.
"""

import asyncio
from collections.abc import AsyncIterator

from fastapi import FastAPI, Response, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse
from ray import serve

VERSION = "1"
HEALTHY = True
ANSWERS = True

LASTS_S = 2.0
PARTS = 10
FLOOD_EVERY_S = 0.05
HEADERS = {"X-Version": VERSION}
api = FastAPI()


# Above the class: FastAPI's routes are copied where it is decorated, with what is there by then.
def _answer() -> Response:
    return Response(VERSION if ANSWERS else "broken on purpose", 200 if ANSWERS else 500, HEADERS)


async def _parts() -> AsyncIterator[str]:
    for number in range(PARTS):
        await asyncio.sleep(LASTS_S / PARTS)
        yield f"{number}\n"
    yield "end\n"


# More than can pile up while nothing answers: Serve's own limit of 5 would queue everything behind the slow ones.
@serve.deployment(num_replicas=2, max_ongoing_requests=20_000, ray_actor_options={"num_cpus": 0.1})
@serve.ingress(api)
class Loaded:
    def check_health(self) -> None:
        if not HEALTHY:
            raise RuntimeError("this version is never healthy, on purpose")

    @api.get("/short")
    async def short(self) -> Response:
        return _answer()

    @api.get("/long")
    async def long(self) -> Response:
        await asyncio.sleep(LASTS_S)
        return _answer()

    @api.get("/stream")
    async def stream(self) -> Response:
        return StreamingResponse(_parts(), headers=HEADERS, media_type="text/plain")

    @api.get("/flood")
    async def flood(self, lines: int, seconds: float, size: int) -> Response:
        """Print so many lines a second, each of that size."""
        for _ in range(round(seconds / FLOOD_EVERY_S)):
            for _ in range(round(lines * FLOOD_EVERY_S)):
                print("x" * size)
            await asyncio.sleep(FLOOD_EVERY_S)
        return _answer()

    @api.get("/line")
    async def line(self, size: int) -> Response:
        """Print one line of that size."""
        print("x" * size, flush=True)
        return _answer()

    @api.get("/hog")
    async def hog(self, megabytes: int, seconds: float) -> Response:
        """Have that much memory for so long."""
        held = bytearray(megabytes * 1024 * 1024)
        held[::4096] = b"x" * len(held[::4096])
        await asyncio.sleep(seconds)
        return _answer()

    @api.websocket("/ws")
    async def talk(self, socket: WebSocket) -> None:
        await socket.accept()
        try:
            while True:
                await socket.send_text(f"{VERSION} {await socket.receive_text()}")
        except WebSocketDisconnect:
            pass


main = Loaded.bind()
