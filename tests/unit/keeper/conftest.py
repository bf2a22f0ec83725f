"""What stories about the whole keeper share."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest


@pytest.fixture
def threads_take_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The jumping clock does not wait for threads: where a processor is busy, hours would pass until one has ended."""

    async def inline(function: Any, *args: Any, **rest: Any) -> Any:
        return function(*args, **rest)

    monkeypatch.setattr(asyncio, "to_thread", inline)
