"""What is asked of Docker's engine, typed; every method raises EngineError with a sentence for people.

Sizes are bytes, times seconds. All calls block; one client may be used by many threads.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, ParamSpec, TypeVar

from daybreak.engine import refusals
from daybreak.errors import EngineError

GONE = 404
CONFLICT = 409
Raw = dict[str, Any]
P = ParamSpec("P")
T = TypeVar("T")
Item = TypeVar("Item")


class Stream(Generic[Item]):
    """An answer without end. It ends when it is cancelled (by any thread) and when the connection breaks."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def __iter__(self) -> Iterator[Item]:
        return iter(self._raw)

    def cancel(self) -> None:
        """End it under its reader's hands."""
        # The package looks for the socket through three layers, any of which may have let go of it already.
        with contextlib.suppress(Exception):
            self._raw.close()

    def close(self) -> None:
        """Give the connection back; for its reader."""
        self.cancel()
        # What the package closes is the socket; the file that its answer is read from would stay open.
        if (answer := getattr(self._raw, "_response", None)) is not None:
            with contextlib.suppress(Exception):
                answer.close()


def _asks(method: Callable[P, T]) -> Callable[P, T]:
    """Every error of the package, and those of the libraries below it that it lets through, becomes a sentence."""

    @functools.wraps(method)
    def asked(*args: P.args, **rest: P.kwargs) -> T:
        try:
            return method(*args, **rest)
        except Exception as error:
            client: Any = args[0]
            raise refusals.of_error(error, client.timeout_s) from error

    return asked


class EngineClient:
    """One engine. `api` is the package's low-level client."""

    def __init__(self, api: Any, timeout_s: float) -> None:
        self._api = api
        self.timeout_s = timeout_s
        self.api_version = tuple(int(part) for part in str(api.api_version).split("."))

    def close(self) -> None:
        self._api.close()

    @_asks
    def create(self, config: Mapping[str, Any], name: str) -> str:
        """Make a container from the engine's own form of its configuration; its id."""
        return str(self._api.create_container_from_config(dict(config), name)["Id"])

    @_asks
    def put(self, container: str, archive: bytes) -> None:
        """Unpack a tar archive at the container's root; it need not run."""
        self._api.put_archive(container, "/", archive)

    @_asks
    def start(self, container: str) -> None:
        self._api.start(container)

    @_asks
    def kill(self, container: str, signal: str) -> None:
        """Send a signal to its first process. Status 409 where it does not run."""
        self._api.kill(container, signal)

    @_asks
    def unpause(self, container: str) -> None:
        self._api.unpause(container)

    @_asks
    def wait(self, container: str, timeout_s: float, condition: str = "not-running") -> None:
        """Return when it has ended. Raises EngineError without status after the timeout."""
        self._api.wait(container, timeout=timeout_s, condition=condition)

    @_asks
    def remove(self, container: str) -> None:
        """Delete it with its anonymous volumes, running or not; named volumes stay."""
        self._api.remove_container(container, v=True, force=True)

    @_asks
    def inspect(self, container: str) -> Raw:
        return dict(self._api.inspect_container(container))

    @_asks
    def containers(self, labels: Sequence[str]) -> list[Raw]:
        """All containers with these labels (`name=value`), whatever their state: `Id`, `State`, `Labels`, `Created`."""
        return list(self._api.containers(all=True, filters={"label": list(labels)}))

    @_asks
    def image(self, name: str) -> Raw:
        return dict(self._api.inspect_image(name))

    @_asks
    def pull(self, name: str, tell: Callable[[Raw], None]) -> None:
        """Have an image from its registry; returns when it is there. `tell` gets what the engine says meanwhile."""
        repository, tag = split_name(name)
        for said in self._api.pull(repository, tag=tag, stream=True, decode=True):
            if "error" in said:
                # The engine has answered 200 already when it notices.
                raise EngineError(str(said["error"]))
            tell(said)

    @_asks
    def info(self) -> Raw:
        """What kind of engine this is, and on what it runs."""
        return dict(self._api.info())

    @_asks
    def read(self, container: str, path: str) -> bytes:
        """A file or a folder of a container, which need not run, as a tar archive. Status 404 where it is not there."""
        parts, _ = self._api.get_archive(container, path)
        return b"".join(parts)

    @_asks
    def output(self, container: str) -> bytes:
        """What a container has written to standard output."""
        return bytes(self._api.logs(container, stdout=True, stderr=False))

    @_asks
    def networks(self, *, name: str | None = None, labels: Sequence[str] = ()) -> list[Raw]:
        """Networks by exact name, or by labels."""
        found = self._api.networks(names=[name] if name else None, filters={"label": list(labels)} if labels else None)
        # The engine takes the name for a part of one.
        return [row for row in found if name is None or row["Name"] == name]

    @_asks
    def create_network(self, name: str, subnet: str, labels: Mapping[str, str]) -> None:
        """Make a bridge of its own. Status 409 where the name is taken."""
        ipam = {"Driver": "default", "Config": [{"Subnet": subnet}]}
        self._api.create_network(name, driver="bridge", ipam=ipam, check_duplicate=True, labels=dict(labels))

    @_asks
    def remove_network(self, identity: str) -> None:
        """Status 403 where a container is still in it."""
        self._api.remove_network(identity)

    @_asks
    def volume(self, name: str) -> Raw:
        return dict(self._api.inspect_volume(name))

    @_asks
    def volumes(self, labels: Sequence[str]) -> list[Raw]:
        return list(self._api.volumes(filters={"label": list(labels)})["Volumes"] or ())

    @_asks
    def remove_volume(self, name: str) -> None:
        self._api.remove_volume(name)

    @_asks
    def events(self, since: str, labels: Sequence[str], kinds: Sequence[str]) -> Stream[Raw]:
        """What happens to containers with these labels from `since` (seconds since 1970) on, as it happens."""
        filters = {"type": "container", "label": list(labels), "event": list(kinds)}
        return Stream(self._api.events(since=since, filters=filters, decode=True))

    @_asks
    def logs(self, container: str, since: int | None) -> Stream[bytes]:
        """Its output from `since` (seconds since 1970) until it ends: each message with its time in front."""
        return Stream(self._api.logs(container, stream=True, follow=True, timestamps=True, since=since))

    @_asks
    def make_exec(self, container: str, argv: Sequence[str], *, user: str = "") -> str:
        """Prepare a command in a running container; its id. Status 409 where the container does not run."""
        return str(self._api.exec_create(container, list(argv), user=user)["Id"])

    @_asks
    def run_exec(self, identity: str) -> bytes:
        """Run it to its end; its output, both streams in one."""
        return bytes(self._api.exec_start(identity) or b"")

    @_asks
    def inspect_exec(self, identity: str) -> Raw:
        """`Running`, `ExitCode` and `Pid`, the last as this machine numbers it (0 before it runs)."""
        return dict(self._api.exec_inspect(identity))


def split_name(image: str) -> tuple[str, str | None]:
    """Repository and tag, as a pull takes them; None for a name that holds a digest."""
    if "@" in image:
        return image, None
    last = image.rpartition("/")[2]
    return (image[: -len(last.partition(":")[2]) - 1], last.partition(":")[2]) if ":" in last else (image, "latest")


def is_gone(error: EngineError) -> bool:
    return error.status == GONE


def is_conflict(error: EngineError) -> bool:
    return error.status == CONFLICT
