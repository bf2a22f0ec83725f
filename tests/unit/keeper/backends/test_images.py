"""What a cluster in containers needs of images, from an engine that says what a test lets it say."""

from __future__ import annotations

import asyncio
import gc
import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest

from daybreak.docker.api import GONE, EngineClient
from daybreak.errors import EngineError
from daybreak.keeper.backends.images import have_needed
from daybreak.spec.model import Spec

DEADLINE_S = 10.0
SPEC = Spec.model_validate({"name": "shop", "backend": "docker", "docker": {"image": "shop:x"}})


class Hanging:
    """A pull that tells nothing until it is given up; then it fails, as the real one does."""

    def __init__(self) -> None:
        self.begun, self.over = threading.Event(), threading.Event()

    def run(self, tell: Any) -> None:
        self.begun.set()
        assert self.over.wait(DEADLINE_S)
        raise EngineError("given up")

    def cancel(self) -> None:
        self.over.set()


def engine(pull: Hanging) -> EngineClient:
    """An engine that has no image."""

    def inspect(name: str) -> None:
        raise EngineError(f"no such image: {name}", status=GONE)

    return cast(EngineClient, SimpleNamespace(images=SimpleNamespace(inspect=inspect, pull=lambda name: pull)))


def test_an_interrupted_pull_is_ended_and_leaves_nothing_behind() -> None:
    complaints: list[dict[str, Any]] = []
    pull, told = Hanging(), list[str]()

    async def interrupted() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
        needed = asyncio.ensure_future(have_needed(engine(pull), SPEC, told.append))
        assert await asyncio.to_thread(pull.begun.wait, DEADLINE_S)
        needed.cancel()
        with pytest.raises(asyncio.CancelledError):
            await needed
        del needed
        gc.collect()

    asyncio.run(interrupted())
    assert pull.over.is_set()
    assert told == ["pulling the image shop:x"]
    assert complaints == []
