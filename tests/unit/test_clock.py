"""The clock that jumps, and what a story on it leaves."""

from __future__ import annotations

import asyncio

from daybreak.testing.clock import run


def test_what_a_cancelled_task_begins_is_cancelled_too() -> None:
    ended: list[str] = []

    async def second() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            ended.append("second")

    async def first() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            left.append(asyncio.create_task(second()))
            await asyncio.sleep(0)

    left: list[asyncio.Task[None]] = []

    async def story() -> None:
        left.append(asyncio.create_task(first()))
        await asyncio.sleep(0)

    run(story())
    assert ended == ["second"]
    assert all(task.done() for task in left)
