"""The tasks that follow what runs, by instance."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence

from daybreak.backends.base import Handle, State

LOOK_S, LOOKS = 0.02, 50


class WatchTasks:
    """Ending one ends its tasks, but never the one that asks for that."""

    def __init__(self) -> None:
        self._watched: dict[str, tuple[Handle, Sequence[asyncio.Task[None]]]] = {}

    def __contains__(self, instance: str) -> bool:
        return instance in self._watched

    def begin(self, handle: Handle, tasks: Sequence[asyncio.Task[None]]) -> None:
        self._watched[handle.instance] = (handle, tasks)

    def end(self, instance: str) -> None:
        _, tasks = self._watched.pop(instance, (None, ()))
        for task in tasks:
            if task is not asyncio.current_task():
                task.cancel()

    def end_of(self, service: str) -> None:
        """End those of every instance of the service."""
        for instance, (handle, _) in list(self._watched.items()):
            if handle.service == service:
                self.end(instance)

    def keep_only(self, instances: Collection[str]) -> None:
        for instance in [known for known in self._watched if known not in instances]:
            self.end(instance)

    async def told(self, handles: Sequence[Handle]) -> None:
        """Wait until it is told of those that have ended already, for a moment at most."""
        ended = [handle.instance for handle in handles if handle.state is State.BROKEN]
        for _ in range(LOOKS):
            if not any(instance in self for instance in ended):
                return
            await asyncio.sleep(LOOK_S)
