"""What stories about the whole keeper share."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture
def threads_take_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The jumping clock does not wait for threads: where a processor is busy, hours would pass until one has ended."""

    async def inline(function: Any, *args: Any, **rest: Any) -> Any:
        return function(*args, **rest)

    monkeypatch.setattr(asyncio, "to_thread", inline)


@pytest.fixture
def killed_tasks_are_gone() -> Iterator[None]:
    """What a killed keeper was doing is collected here: Python 3.11 cannot parse where tasks end meanwhile."""
    yield
    gc.collect()
