"""Starting and stopping one container: sequences of calls that block, for a thread."""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from daybreak.backends.base import Handle
from daybreak.backends.docker.archive import archive
from daybreak.backends.docker.container_config import (
    HAS_START_INTERVAL,
    NO_FACTS,
    ImageFacts,
    Owner,
    config,
    container_name,
    needs_image,
)
from daybreak.backends.docker.folders import hand_over
from daybreak.backends.docker.shared import Shared
from daybreak.docker.api import EngineClient, is_conflict, is_gone
from daybreak.docker.refusals import RESTART
from daybreak.errors import EngineError
from daybreak.services.service import Container, Service, StopPolicy

KILL_DEADLINE_S = 15.0
NAMES_TRIED = 5


class Steps:
    """What has to be done with the engine, one container at a time."""

    def __init__(self, owner: Owner, runtime: Path) -> None:
        self.shared = Shared(owner)
        self._runtime = runtime
        self._owner = owner
        self._images: dict[str, ImageFacts] = {}
        self._asking = threading.Lock()

    def start(self, client: EngineClient, service: Service, container: Container, handle: Handle) -> str:
        """Make it, copy into it what it needs, start it; its id. A container that cannot be started is removed.

        Raises EngineError where the engine refuses, OSError where a secret cannot be read, ValueError.
        """
        hand_over(container, self._runtime)
        copied = archive(service, container, handle.instance)
        facts = self._facts(client, container.image) if needs_image(service, container) else NO_FACTS
        interval = client.api_version >= HAS_START_INTERVAL
        asked = config(service, container, handle, self._owner, facts, start_interval=interval)
        try:
            return self._started(client, service, container, handle, asked, copied)
        except EngineError as error:
            if not (is_gone(error) and "network" in error.message):
                raise
        # Somebody has removed the network since it was last looked at.
        self.shared.forget()
        return self._started(client, service, container, handle, asked, copied)

    def copy_secrets(self, client: EngineClient, identity: str, service: Service) -> None:
        """Into a container that runs, as they are now."""
        assert service.container
        copied = archive(replace(service, env={}, files=(), folders=()), service.container, "")
        if copied is not None:
            client.containers.put(identity, copied)

    def _started(
        self,
        client: EngineClient,
        service: Service,
        container: Container,
        handle: Handle,
        asked: dict[str, object],
        copied: bytes | None,
    ) -> str:
        self.shared.ensure(client, container)
        identity = self._made(client, service, handle, asked)
        try:
            if copied is not None:
                client.containers.put(identity, copied)
            client.containers.start(identity)
        except BaseException:
            with contextlib.suppress(EngineError):
                client.containers.remove(identity)
            raise
        return identity

    def _made(self, client: EngineClient, service: Service, handle: Handle, asked: dict[str, object]) -> str:
        """A container under a name that is free: those of others are left alone."""
        for attempt in range(NAMES_TRIED):
            name = container_name(self._owner.cluster, service.name, handle.generation, secrets.token_hex(2))
            try:
                return client.containers.create(asked, name)
            except EngineError as error:
                if not is_conflict(error) or attempt == NAMES_TRIED - 1:
                    raise
        raise AssertionError("not reached")

    def _facts(self, client: EngineClient, image: str) -> ImageFacts:
        with self._asking:
            if image not in self._images:
                self._images[image] = ImageFacts.of(client.images.inspect(image))
            return self._images[image]


def stop(client: EngineClient, container: str, policy: StopPolicy, drain: Callable[[], None]) -> int:
    """Ask it to end, kill it after the grace, remove it; how many had to be killed. One that has gone is no error.

    `drain` waits for the last of its output, which goes with it.
    """
    try:
        killed = _end(client, container, policy)
        drain()
        client.containers.remove(container)
    except EngineError as error:
        if is_conflict(error) and "progress" in error.message:
            # Somebody else is removing it.
            with contextlib.suppress(EngineError):
                client.containers.wait(container, KILL_DEADLINE_S, "removed")
        elif not is_gone(error):
            raise
        return 0
    return killed


def _end(client: EngineClient, container: str, policy: StopPolicy) -> int:
    until = time.monotonic() + policy.grace_s
    if not _signal(client, container, policy.signal):
        return 0
    if _ended(client, container, until - time.monotonic()):
        return 0
    if not _signal(client, container, "SIGKILL"):
        return 0
    if not _ended(client, container, KILL_DEADLINE_S):
        raise EngineError(f"the container {container[:12]} does not end even when killed", hint=RESTART)
    return 1


def _signal(client: EngineClient, container: str, signal: str) -> bool:
    """Send it; False where nothing runs any more."""
    try:
        client.containers.kill(container, signal)
    except EngineError as error:
        if not is_conflict(error):
            raise
        if "paused" not in error.message:
            return False
        client.containers.unpause(container)
        client.containers.kill(container, signal)
    return True


def _ended(client: EngineClient, container: str, timeout_s: float) -> bool:
    """Whether it ends within the time."""
    if timeout_s <= 0:
        return False
    try:
        client.containers.wait(container, timeout_s)
    except EngineError as error:
        if error.status is not None:
            raise
        return False
    return True
