"""WebSockets that reach a replica through a proxy of Serve end with a close frame, too, when Serve ends that replica.

Where HAProxy asks the replica's own server, that server closes them as soon as Serve has it stop. Through Serve's
proxy, which answers without HAProxy and until HAProxy knows its replicas, a WebSocket is one more request that the
replica waits for: until its time is over, and then it is cut off.
"""

import asyncio
import contextlib
import functools
import inspect
from typing import Any, AsyncIterator, List, Optional

from . import after_import
from .closing import CLOSE

MODULE = "ray.serve._private.replica"
# The classes and what is changed of them; another Ray may have none of these names: they are cut off, then.
REPLICA, STOP = "ReplicaActor", "perform_graceful_shutdown"
CALLER, CALL = "UserCallableWrapper", "call_http_entrypoint"
# What receives for a request that came through a proxy.
RECEIVER = "ASGIReceiveProxy"
# As long after that as the replica's own server is left open behind HAProxy.
SOON_S = 5.0
# So long after its close frame an application may still say something: it has not heard of it yet.
HEARS_S = 2.0


def prepare() -> None:
    """In a fork that may become a replica, before its program begins."""
    after_import.call(MODULE, lambda module: close_them(getattr(module, REPLICA, None), getattr(module, CALLER, None)))


def close_them(replica: Any, caller: Any) -> None:
    """From now on a replica of this class closes such WebSockets soon after it is told to stop."""
    stop, call = getattr(replica, STOP, None), getattr(caller, CALL, None)
    if not (inspect.iscoroutinefunction(stop) and inspect.isasyncgenfunction(call)):
        return
    stopping: List["asyncio.Event"] = []

    def event() -> "asyncio.Event":
        """Of this process' one replica, made in its loop."""
        if not stopping:
            stopping.append(asyncio.Event())
        return stopping[0]

    @functools.wraps(stop)
    async def told_to_stop(self: Any, *given: Any, **named: Any) -> Any:
        asyncio.get_running_loop().call_later(_soon_s(self), event().set)
        return await stop(self, *given, **named)

    @functools.wraps(call)
    def called(self: Any, *given: Any, **named: Any) -> Any:
        messages = call(self, *given, **named)
        is_proxied = any(_is_of_a_proxied_websocket(one) for one in (*given, *named.values()))
        return closed_when(event(), messages) if is_proxied else messages

    setattr(replica, STOP, told_to_stop)
    setattr(caller, CALL, called)


def _soon_s(replica: Any) -> float:
    """Serve waits no longer than the deployment says."""
    config = getattr(getattr(replica, "_replica_impl", None), "_deployment_config", None)
    given = getattr(config, "graceful_shutdown_timeout_s", None)
    return min(SOON_S, given / 2) if isinstance(given, (int, float)) else SOON_S


def _is_of_a_proxied_websocket(argument: Any) -> bool:
    return type(argument).__name__ == RECEIVER and getattr(argument, "_type", None) == "websocket"


async def closed_when(over: "asyncio.Event", messages: Any) -> AsyncIterator[List[Any]]:
    """What an application says, in batches of ASGI messages; a close frame as soon as it is over, and nothing more.

    The client's answer reaches the application as it would from any other end. One that does not listen, and goes on
    saying something, is ended as when its client is lost.
    """
    loop = asyncio.get_running_loop()
    upcoming: Any = None
    ending: Any = None
    closed_s: Optional[float] = None
    try:
        while True:
            upcoming = asyncio.ensure_future(messages.__anext__())
            if ending is not None and closed_s is None:
                await asyncio.wait((upcoming, ending), return_when=asyncio.FIRST_COMPLETED)
                if not upcoming.done():
                    closed_s = loop.time()
                    yield [dict(CLOSE)]
            try:
                batch = await upcoming
            except StopAsyncIteration:
                return
            if closed_s is not None:
                if loop.time() > closed_s + HEARS_S:
                    return
                continue
            kinds = [message.get("type") for message in batch]
            if ending is None and "websocket.accept" in kinds:
                ending = asyncio.ensure_future(over.wait())
            if "websocket.close" in kinds:
                closed_s = loop.time()
            yield batch
    finally:
        if ending is not None:
            ending.cancel()
        await _end(upcoming)
        await messages.aclose()


async def _end(upcoming: Any) -> None:
    """Nobody asks for it any more."""
    if upcoming is not None and not upcoming.done():
        upcoming.cancel()
        with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration, Exception):
            await upcoming
    elif upcoming is not None and not upcoming.cancelled():
        upcoming.exception()
