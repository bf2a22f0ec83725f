"""The containers' output in the services' log files, as the process backend has it.

One thread follows each container. Every message comes with the time at which the engine read it; the last one is kept
in a file, so that a later keeper goes on after it.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable, Collection
from datetime import datetime
from pathlib import Path

from daybreak.backends.docker.troubles import Troubles
from daybreak.docker.api import EngineClient, is_gone
from daybreak.docker.streams import Stream
from daybreak.errors import EngineError

AGAIN_S = 1.0
CLOSE_S = 1.0
# `2026-11-26T14:56:33.411836599Z`: of fixed width, so that places compare as texts.
STAMP_LENGTH = 30
ENDED = ("created", "exited", "dead")


class Position:
    """How far a container's output was copied: the time of the last message, and how many had that very time.

    Long lines come in parts of one time. The file is locked while it is open: one follower copies, never two.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            raise
        stamp, _, count = os.pread(self._file, 2 * STAMP_LENGTH, 0).decode().strip().partition(" ")
        self.stamp, self.count = stamp, int(count or 0)

    @property
    def since(self) -> int | None:
        """The whole second (since 1970) from which on the output must be read again; None for all of it."""
        return int(datetime.fromisoformat(f"{self.stamp[:19]}+00:00").timestamp()) if self.stamp else None

    def after(self) -> Callable[[str], bool]:
        """A function that says of each message in turn, by its time, whether it has not been copied yet."""
        last, seen, read = self.stamp, 0, self.count

        def is_new(stamp: str) -> bool:
            nonlocal seen
            if stamp != last:
                return stamp > last
            seen += 1
            return seen > read

        return is_new

    def copied(self, stamp: str) -> None:
        self.count = self.count + 1 if stamp == self.stamp else 1
        self.stamp = stamp
        os.pwrite(self._file, f"{stamp} {self.count:<10}\n".encode(), 0)

    def close(self) -> None:
        os.close(self._file)


class Follower(threading.Thread):
    """Copies one container's output until it has ended. `drained` is set when its last word was written."""

    def __init__(self, client: Callable[[], EngineClient], container: str, log: Path, path: Path) -> None:
        super().__init__(name=f"log of {log.stem}", daemon=True)
        self.drained = threading.Event()
        self._client = client
        self._container = container
        self._log = log
        self._path = path
        self._closed = threading.Event()
        self._stream: Stream[bytes] | None = None
        self._troubles = Troubles(f"copying the output of {log.stem}")

    def run(self) -> None:
        position = self._position()
        if position is None:
            return
        try:
            self._copy_all(position)
        finally:
            position.close()
            self.drained.set()

    def _position(self) -> Position | None:
        """The position, as soon as no other keeper holds it; until then that one copies, and nobody waits for us."""
        while not self._closed.is_set():
            try:
                found = Position(self._path)
            except OSError:
                self.drained.set()
                self._closed.wait(AGAIN_S)
            else:
                self.drained.clear()
                return found
        return None

    def close(self) -> None:
        self._closed.set()
        if self._stream is not None:
            self._stream.cancel()

    def _copy_all(self, position: Position) -> None:
        """Follow until the container has ended, and then once more: a last line without its end may come late."""
        ended = False
        while not self._closed.is_set():
            last_round = ended
            try:
                client = self._client()
                self._copy(client.containers.logs(self._container, position.since), position)
                if last_round:
                    return
                ended = client.containers.inspect(self._container)["State"]["Status"] in ENDED
                self._troubles.over()
                if ended:
                    continue
            except Exception as error:
                # Half an answer of an engine that was stopped, or a full disk: the engine still has what is missing.
                if isinstance(error, EngineError) and is_gone(error):
                    return
                if not self._closed.is_set():
                    self._troubles.tell(error)
            self._closed.wait(AGAIN_S)

    def _copy(self, stream: Stream[bytes], position: Position) -> None:
        self._stream = stream
        is_new = position.after()
        try:
            with open(os.open(self._log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab", buffering=0) as output:
                for message in stream:
                    stamp, _, text = message.partition(b" ")
                    when = stamp.decode(errors="replace")
                    if is_new(when):
                        output.write(text)
                        position.copied(when)
                    if self._closed.is_set():
                        return
        finally:
            stream.close()


class Logs:
    """The followers of one cluster's containers."""

    def __init__(self, client: Callable[[], EngineClient], logs: Path, places: Path) -> None:
        self._client = client
        self._logs = logs
        self._places = places
        self._followers: dict[str, Follower] = {}

    def follow(self, instance: str, service: str, container: str) -> None:
        """Copy the instance's output from now on, and what was not copied yet; once for each instance."""
        if instance not in self._followers:
            log = self._logs / f"{service}.log"
            follower = Follower(self._client, container, log, self._places / instance)
            self._followers[instance] = follower
            follower.start()

    def begin(self, service: str, instance: str) -> None:
        """A line that says where an instance's output begins."""
        stamp = time.strftime("%Y-%m-%d %H:%M:%S")
        with open(os.open(self._logs / f"{service}.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as file:
            file.write(f"{stamp} daybreak: starting {service} (instance {instance})\n".encode())

    def drain(self, instance: str, timeout_s: float) -> None:
        """Wait until the last word of an ended instance is in its log."""
        if follower := self._followers.get(instance):
            follower.drained.wait(timeout_s)

    def forget(self, instance: str) -> None:
        """It was removed, and the engine's copy of its output with it."""
        if follower := self._followers.pop(instance, None):
            follower.close()
        (self._places / instance).unlink(missing_ok=True)

    def keep_only(self, instances: Collection[str]) -> None:
        """Forget where instances ended that were removed by others."""
        for path in self._places.glob("*"):
            if path.name not in instances and path.name not in self._followers:
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """End the copying, so that another keeper may go on with it. Blocks for a moment."""
        for follower in self._followers.values():
            follower.close()
        for follower in self._followers.values():
            follower.join(CLOSE_S)
