"""Having the images that a cluster in containers needs: what the engine lacks is pulled, and that is told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

from daybreak.docker.api import EngineClient, is_gone
from daybreak.errors import EngineError, PreflightError
from daybreak.machine.engine import wanted_images, watching_images
from daybreak.machine.images import BUILD, missing
from daybreak.spec.model import Spec

TELL_S = 2.0
Note = Callable[[str], None]


async def have_needed(client: EngineClient, spec: Spec, note: Note) -> None:
    """Pull what the engine lacks and the cluster cannot start without.

    Raises EngineError where the engine cannot be used, PreflightError for an image that cannot be had.
    """
    for name in dict.fromkeys(wanted_images(spec).values()):
        await _have(client, name, note)


async def have_all(client: EngineClient, spec: Spec, note: Note) -> None:
    """The same with those that only watch: one of them may be missing, and `note` is told so."""
    await have_needed(client, spec, note)
    for name in watching_images(spec).values():
        try:
            await _have(client, name, note)
        except PreflightError as error:
            note("; ".join(error.problems))


async def _have(client: EngineClient, name: str, note: Note) -> None:
    """Pull an image that the engine lacks."""
    try:
        await asyncio.to_thread(client.images.inspect, name)
        return
    except EngineError as error:
        if not is_gone(error):
            raise
    if name.startswith("daybreak/"):
        raise missing(name)  # only this machine makes such images
    note(f"pulling the image {name}")
    loop = asyncio.get_running_loop()
    progress = Pulling(name)

    def tell(said: dict[str, Any]) -> None:
        if line := progress.line(said, time.monotonic()):
            loop.call_soon_threadsafe(note, line)

    pull = client.images.pull(name)
    pulling = asyncio.ensure_future(asyncio.to_thread(pull.run, tell))
    try:
        await asyncio.shield(pulling)
    except asyncio.CancelledError:
        pull.cancel()
        await asyncio.gather(pulling, return_exceptions=True)
        raise
    except EngineError as error:
        raise PreflightError(
            [f"the image {name} is not there and cannot be pulled: {error.message}"],
            hint=f"{BUILD} makes one with Ray; or load it: docker load, docker tag",
        ) from error
    note(f"pulled the image {name}")


class Pulling:
    """How far a pull is, from what the engine says of each layer; a line every few seconds."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._layers: dict[str, tuple[int, int]] = {}
        self._told_s = 0.0

    def line(self, said: Mapping[str, Any], now_s: float) -> str | None:
        """A line for people, if it is time for one. Sizes of layers that were not begun are not known yet."""
        detail = said.get("progressDetail") or {}
        if said.get("status") == "Downloading" and "total" in detail:
            self._layers[str(said.get("id"))] = (int(detail.get("current", 0)), int(detail["total"]))
        elif said.get("status") in ("Download complete", "Pull complete") and str(said.get("id")) in self._layers:
            total = self._layers[str(said["id"])][1]
            self._layers[str(said["id"])] = (total, total)
        self._told_s = self._told_s or now_s
        if not self._layers or now_s - self._told_s < TELL_S:
            return None
        self._told_s = now_s
        here, all_of_it = (sum(part[place] for part in self._layers.values()) / 1e6 for place in (0, 1))
        return f"pulling the image {self._name}: {here:,.0f} of {all_of_it:,.0f} MB"
