"""Waiting for containers by the engine's events: their ends, lack of memory, and their health.

One thread reads the stream and hands every event to the loop. Where the stream breaks it is opened anew, and those
that were running are asked for: while no stream can be had that is a poll, once a second.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from daybreak.backends.base import Exit
from daybreak.backends.docker import ends
from daybreak.backends.docker.troubles import Troubles
from daybreak.docker import labels
from daybreak.docker.api import EngineClient, is_gone
from daybreak.docker.streams import Stream
from daybreak.errors import EngineError

KINDS = ("die", "oom", "health_status")
# Events from a moment before the stream was asked for are wanted, too: it is opened beside the first start.
EARLIER_S = 1.0
AGAIN_S = 1.0
# The event that tells of lack of memory may come a moment after the end that it caused, of the container or of a child.
OOM_LATE_S = 1.0


@dataclass
class Watched:
    """What is known of one instance. `container` is its id; `health` the engine's word, None where it was not told."""

    container: str
    end: asyncio.Future[Exit]
    runs: bool = False
    out_of_memory: bool = False
    health: str | None = None
    died: dict[str, str] = field(default_factory=dict)
    late: asyncio.TimerHandle | None = field(default=None, repr=False)


class Watch:
    """The containers of one cluster. All methods belong to the loop's thread."""

    def __init__(self, client: Callable[[], EngineClient], root: str) -> None:
        self._client = client
        self._label = f"{labels.ROOT}={root}"
        self._loop: asyncio.AbstractEventLoop | None = None
        self._watched: dict[str, Watched] = {}
        self._closed = threading.Event()
        self._stream: Stream[dict[str, Any]] | None = None
        self._troubles = Troubles("following the engine's events")

    def begin(self) -> None:
        """Open the stream, once; what happens from now on is not missed."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            since = time.time() - EARLIER_S
            threading.Thread(target=self._read, args=(since,), name="docker events", daemon=True).start()

    def close(self) -> None:
        self._closed.set()
        if self._stream is not None:
            self._stream.cancel()

    def of(self, instance: str, container: str = "") -> Watched:
        """What is known of an instance; from now on its events are taken in."""
        if instance not in self._watched:
            self._watched[instance] = Watched(container, asyncio.get_running_loop().create_future())
        watched = self._watched[instance]
        watched.container = container or watched.container
        return watched

    def ended(self, instance: str, end: Exit) -> None:
        """It has ended, and this is how; the first to say so is believed."""
        watched = self._watched.get(instance)
        if watched is None:
            return
        watched.runs = False
        if watched.late is not None:
            watched.late.cancel()
        if not watched.end.done():
            watched.end.set_result(end)

    def forget(self, instance: str) -> None:
        """It was removed."""
        self.ended(instance, ends.REMOVED)
        self._watched.pop(instance, None)

    def on_event(self, event: dict[str, Any]) -> None:
        """Take one event of the engine's."""
        attributes = event["Actor"]["Attributes"]
        instance = attributes.get(labels.INSTANCE, "")
        watched = self._watched.get(instance)
        if watched is None:
            return
        kind, _, word = event["Action"].partition(": ")
        if kind == "health_status":
            watched.health = word
        elif kind == "oom":
            watched.out_of_memory = True
            if watched.late is not None:
                self._settle(instance)
        elif kind == "die":
            self._died(instance, watched, attributes)

    def _died(self, instance: str, watched: Watched, attributes: dict[str, str]) -> None:
        watched.died = attributes
        if ends.may_be_for_want_of_memory(attributes) and not watched.out_of_memory and watched.late is None:
            watched.late = asyncio.get_running_loop().call_later(OOM_LATE_S, self._settle, instance)
        else:
            self._settle(instance)

    def _settle(self, instance: str) -> None:
        watched = self._watched.get(instance)
        if watched is not None:
            self.ended(instance, ends.of_event(watched.died, out_of_memory=watched.out_of_memory))

    def _read(self, since: float) -> None:
        """The thread: follow the stream; where it breaks, ask for all that ran, and follow anew from there."""
        while not self._closed.is_set():
            try:
                client = self._client()
                self._stream = client.containers.events(f"{since:.9f}", [self._label], KINDS)
                self._ask_again(client)
                self._troubles.over()
                for event in self._stream:
                    since = event["timeNano"] / 1e9
                    self._tell(self.on_event, event)
            except Exception as error:
                # A stopped engine, or half an answer: whatever it was, what ran must be watched again.
                if not self._closed.is_set():
                    self._troubles.tell(error)
            finally:
                if self._stream is not None:
                    self._stream.close()
            self._closed.wait(AGAIN_S)

    def _ask_again(self, client: EngineClient) -> None:
        """Of what ran, find what ended while nobody listened: the engine keeps only its latest events."""
        for instance, watched in list(self._watched.items()):
            if watched.runs:
                try:
                    end = ends.of_inspection(client.containers.inspect(watched.container))
                except EngineError as error:
                    if not is_gone(error):
                        raise
                    end = ends.REMOVED
                if end is not None:
                    self._tell(self.ended, instance, end)

    def _tell(self, method: Callable[..., None], *args: Any) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(method, *args)
        except RuntimeError:
            self._closed.set()  # the loop has ended, and so has the need to know
