"""A command in a container never outlives its deadline, also where the engine is slow to make it."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from daybreak.backends.docker.backend import DockerBackend
from daybreak.backends.docker.in_threads import Calls
from daybreak.names import TIMED_OUT_CODE
from daybreak.paths import ClusterPaths
from tests.unit.helpers import service

DEADLINE_S = 60.0


class SlowEngine:
    """Takes as long to make a command as the test says."""

    def __init__(self) -> None:
        self.commands = self
        self.go = threading.Event()
        self.ran: list[str] = []

    def make(self, *_: Any, **__: Any) -> str:
        assert self.go.wait(DEADLINE_S)
        return "made"

    def run(self, identity: str) -> bytes:
        self.ran.append(identity)
        return b""

    def close(self) -> None:
        pass


def test_a_check_that_the_engine_does_not_come_to_ends_at_its_deadline_and_is_never_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = SlowEngine()
    backend = DockerBackend(ClusterPaths("shop", tmp_path / "state", tmp_path / "run"))
    monkeypatch.setattr(Calls, "client", lambda _: engine)

    async def found(_: str) -> str:
        return "container"

    async def story() -> None:
        monkeypatch.setattr(backend, "_of_service", found)
        # All threads but those that ask wait for the engine.
        monkeypatch.setattr(backend._calls, "_threads", ThreadPoolExecutor(1))
        result = await asyncio.wait_for(backend.run(service("db"), ("ask",), timeout_s=0.05), DEADLINE_S)
        assert (result.code, result.output) == (TIMED_OUT_CODE, "no answer within 0.05 s")
        assert not engine.go.is_set()
        engine.go.set()
        await backend._calls.in_thread(lambda: None)  # behind it

    try:
        asyncio.run(story())
    finally:
        engine.go.set()
        backend._calls.close()
    assert engine.ran == []
