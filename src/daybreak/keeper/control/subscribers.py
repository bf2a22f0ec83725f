"""The clients that are sent every event: those that watch, and those whose run it is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from daybreak.keeper.control.control_socket import Client
from daybreak.timeline.event import Event


class Subscribers:
    """Follows events for clients."""

    def __init__(self) -> None:
        self._clients: set[Client] = set()

    @contextlib.contextmanager
    def told(self, client: Client) -> Iterator[None]:
        """Meanwhile the client is sent every event."""
        self._clients.add(client)
        try:
            yield
        finally:
            self._clients.discard(client)

    def follow(self, event: Event) -> None:
        message = {"event": event.to_json()}
        for client in self._clients:
            client.send(message)
