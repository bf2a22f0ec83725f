"""What is asked of Docker's engine, typed; every method raises EngineError with a sentence for people.

Sizes are bytes, times seconds. All calls block; one client may be used by many threads.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar

from daybreak.docker import refusals
from daybreak.docker.streams import Pull, Stream
from daybreak.errors import EngineError

GONE = 404
CONFLICT = 409
Raw = dict[str, Any]
P = ParamSpec("P")
T = TypeVar("T")


class _Part:
    """Some of an engine's questions. `api` is the package's low-level client."""

    def __init__(self, api: Any, timeout_s: float) -> None:
        self._api = api
        self._timeout_s = timeout_s

    def refused(self, error: Exception) -> EngineError:
        return refusals.of_error(error, self._timeout_s)


Part = TypeVar("Part", bound=_Part)


def _asks(method: Callable[Concatenate[Part, P], T]) -> Callable[Concatenate[Part, P], T]:
    """Every error of the package, and those of the libraries below it that it lets through, becomes a sentence."""

    @functools.wraps(method)
    def asked(part: Part, /, *args: P.args, **rest: P.kwargs) -> T:
        try:
            return method(part, *args, **rest)
        except Exception as error:
            raise part.refused(error) from error

    return asked


class Containers(_Part):
    """Containers, by id or name."""

    @_asks
    def list(self, labels: Sequence[str] = ()) -> list[Raw]:
        """All with these labels (`name=value`), whatever their state: `Id`, `State`, `Labels`, `Created`."""
        return list(self._api.containers(all=True, filters={"label": list(labels)}))

    @_asks
    def inspect(self, container: str) -> Raw:
        return dict(self._api.inspect_container(container))

    @_asks
    def create(self, config: Mapping[str, Any], name: str) -> str:
        """Make one from the engine's own form of its configuration; its id."""
        return str(self._api.create_container_from_config(dict(config), name)["Id"])

    @_asks
    def put(self, container: str, archive: bytes) -> None:
        """Unpack a tar archive at its root; it need not run."""
        self._api.put_archive(container, "/", archive)

    @_asks
    def read(self, container: str, path: str) -> bytes:
        """A file or a folder of it as a tar archive; it need not run. Status 404 where there is none."""
        parts, _ = self._api.get_archive(container, path)
        return b"".join(parts)

    @_asks
    def start(self, container: str) -> None:
        self._api.start(container)

    @_asks
    def kill(self, container: str, signal: str) -> None:
        """Send a signal to its first process. Status 409 where it does not run."""
        self._api.kill(container, signal)

    @_asks
    def pause(self, container: str) -> None:
        """Freeze all of its processes. Status 409 where they are, or where it does not run."""
        self._api.pause(container)

    @_asks
    def unpause(self, container: str) -> None:
        self._api.unpause(container)

    @_asks
    def wait(self, container: str, timeout_s: float, condition: str = "not-running") -> None:
        """Return when it has ended. Raises EngineError without status after the timeout."""
        self._api.wait(container, timeout=timeout_s, condition=condition)

    @_asks
    def remove(self, container: str, *, force: bool = True) -> None:
        """Delete it with its anonymous volumes, by `force` also while it runs; named volumes stay."""
        self._api.remove_container(container, v=True, force=force)

    @_asks
    def output(self, container: str) -> bytes:
        """What it has written to standard output."""
        return bytes(self._api.logs(container, stdout=True, stderr=False))

    @_asks
    def logs(self, container: str, since: int | None) -> Stream[bytes]:
        """Its output from `since` (seconds since 1970) until it ends: each message with its time in front."""
        return Stream(self._api.logs(container, stream=True, follow=True, timestamps=True, since=since))

    @_asks
    def events(self, since: str, labels: Sequence[str], kinds: Sequence[str]) -> Stream[Raw]:
        """What happens to those with these labels from `since` (seconds since 1970) on, as it happens."""
        filters = {"type": "container", "label": list(labels), "event": list(kinds)}
        return Stream(self._api.events(since=since, filters=filters, decode=True))


class Commands(_Part):
    """Commands in running containers, by their own ids."""

    @_asks
    def make(self, container: str, argv: Sequence[str], *, user: str = "") -> str:
        """Prepare one; its id. Status 409 where the container does not run."""
        return str(self._api.exec_create(container, list(argv), user=user)["Id"])

    @_asks
    def run(self, identity: str) -> bytes:
        """Run it to its end; its output, both streams in one."""
        return bytes(self._api.exec_start(identity) or b"")

    @_asks
    def inspect(self, identity: str) -> Raw:
        """`Running`, `ExitCode` and `Pid`, the last as this machine numbers it (0 before it runs)."""
        return dict(self._api.exec_inspect(identity))


class Images(_Part):
    """Images, by name or id."""

    @_asks
    def list(self, labels: Sequence[str] = ()) -> list[Raw]:
        return list(self._api.images(filters={"label": list(labels)}))

    @_asks
    def inspect(self, name: str) -> Raw:
        return dict(self._api.inspect_image(name))

    @_asks
    def remove(self, name: str) -> None:
        self._api.remove_image(name)

    def pull(self, name: str) -> Pull:
        """Have one from its registry: nothing happens before it is run."""
        return Pull(self._api, name, self.refused)


class Networks(_Part):
    """Networks, by name or id."""

    @_asks
    def list(self, labels: Sequence[str] = (), *, name: str | None = None) -> list[Raw]:
        """By labels, or by exact name."""
        found = self._api.networks(names=[name] if name else None, filters={"label": list(labels)} if labels else None)
        # The engine takes the name for a part of one.
        return [row for row in found if name is None or row["Name"] == name]

    @_asks
    def inspect(self, identity: str) -> Raw:
        return dict(self._api.inspect_network(identity))

    @_asks
    def create(self, name: str, subnet: str, labels: Mapping[str, str]) -> None:
        """Make a bridge of its own. Status 409 where the name is taken."""
        ipam = {"Driver": "default", "Config": [{"Subnet": subnet}]}
        self._api.create_network(name, driver="bridge", ipam=ipam, check_duplicate=True, labels=dict(labels))

    @_asks
    def remove(self, identity: str) -> None:
        """Status 403 where a container is still in it."""
        self._api.remove_network(identity)


class Volumes(_Part):
    """Named volumes."""

    @_asks
    def list(self, labels: Sequence[str] = ()) -> list[Raw]:
        return list(self._api.volumes(filters={"label": list(labels)})["Volumes"] or ())

    @_asks
    def inspect(self, name: str) -> Raw:
        return dict(self._api.inspect_volume(name))

    @_asks
    def remove(self, name: str) -> None:
        self._api.remove_volume(name)


class EngineClient(_Part):
    """One engine, and what can be asked of each kind of thing that it has."""

    def __init__(self, api: Any, timeout_s: float) -> None:
        super().__init__(api, timeout_s)
        self.api_version = tuple(int(part) for part in str(api.api_version).split("."))
        self.containers = Containers(api, timeout_s)
        self.commands = Commands(api, timeout_s)
        self.images = Images(api, timeout_s)
        self.networks = Networks(api, timeout_s)
        self.volumes = Volumes(api, timeout_s)

    def close(self) -> None:
        self._api.close()

    @_asks
    def info(self) -> Raw:
        """What kind of engine this is, and on what it runs."""
        return dict(self._api.info())

    @_asks
    def disk_use(self) -> Raw:
        """`LayersSize`, and rows of `Containers` and `Volumes` with theirs."""
        return dict(self._api.df())


def is_gone(error: EngineError) -> bool:
    return error.status == GONE


def is_conflict(error: EngineError) -> bool:
    return error.status == CONFLICT
