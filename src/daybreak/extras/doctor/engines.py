"""Talking to Docker: through its Python package where that is installed, else through its command."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from daybreak.docker import refusals
from daybreak.docker.api import Containers, EngineClient, Images, Networks, Volumes, is_gone
from daybreak.docker.connect import connect
from daybreak.docker.docker_cli import Client
from daybreak.docker.labels import CLUSTER
from daybreak.errors import EngineError
from daybreak.show.text import size

# A question is answered at once or never; deleting gigabytes takes a while.
ASK_S = 1.5
REMOVE_S = 300.0
# Containers of all, since somebody else's may use what is ours.
LIST = {
    "container": ("--all", "--no-trunc"),
    "network": ("--no-trunc", "--filter", f"label={CLUSTER}"),
    "volume": ("--filter", f"label={CLUSTER}"),
    "image": ("--no-trunc", "--filter", f"label={CLUSTER}"),
}
# How every "no such container" begins: others start and end things meanwhile.
GONE = "no such "
MOST_LOOKS = 5


@dataclass(frozen=True)
class Leftover:
    """A container, network, volume or image with daybreak's label that nothing uses; `cluster` is the label's value.

    `names` are all its names: an image goes with the last of them. `bytes` is None where the engine does not tell.
    """

    kind: str
    names: tuple[str, ...]
    cluster: str
    bytes: int | None = None

    def __str__(self) -> str:
        taken = "" if self.bytes is None else f" ({size(self.bytes)})"
        return f"{self.kind} {self.names[0]} of cluster {self.cluster}{taken}"


class Engine(Protocol):
    """What the diagnosis asks. Every method raises EngineError where the engine does not answer."""

    def info(self) -> Mapping[str, Any]:
        """`ServerVersion`, `Driver` and more, as the engine names them."""

    def disk_use(self) -> str:
        """How much images, containers and volumes take, in words."""

    def listed(self, kind: str) -> list[dict[str, Any]]:
        """What `docker KIND inspect` says of all containers, or of the networks, volumes or images with the label."""

    def remove(self, leftover: Leftover) -> None:
        """Delete it, never by force: what is in use after all stays."""


def find(timeout_s: float = ASK_S) -> Engine | None:
    """The way to Docker; None where neither its package nor its command is installed.

    `timeout_s` is how long each question, or each deletion, may take. Raises EngineError where there is an engine that
    does not answer, and no command that may know another one.
    """
    try:
        return PackageEngine(connect(timeout_s))
    except EngineError as refused:
        if shutil.which("docker"):
            return CommandEngine(timeout_s)
        if refused.missing:
            return None
        raise


class CommandEngine:
    """The `docker` command, which also knows contexts."""

    def __init__(self, timeout_s: float = ASK_S) -> None:
        self._ask = Client("docker", timeout_s).ask

    def info(self) -> Mapping[str, Any]:
        found: dict[str, Any] = json.loads(self._ask("info", "--format", "{{json .}}") or "{}")
        if not found.get("ServerVersion"):
            raise refusals.of_text("\n".join(found.get("ServerErrors") or ["the engine does not answer"]))
        return found

    def disk_use(self) -> str:
        rows = self._ask("system", "df", "--format", "{{.Type}}\t{{.Size}}").splitlines()
        return ", ".join(f"{kind.lower()} {used}" for kind, _, used in (row.partition("\t") for row in rows))

    def listed(self, kind: str) -> list[dict[str, Any]]:
        for _ in range(MOST_LOOKS):
            ids = list(dict.fromkeys(self._ask(kind, "ls", "--quiet", *LIST[kind]).split()))
            try:
                return list(json.loads(self._ask(kind, "inspect", *ids))) if ids else []
            except EngineError as error:
                if GONE not in error.message.lower():
                    raise
        raise EngineError(f"docker {kind} ls: what it lists is gone at once, again and again")

    def remove(self, leftover: Leftover) -> None:
        # What a container has without a name is of no use to anybody without it.
        rest = ["--volumes"] if leftover.kind == "container" else []
        self._ask(leftover.kind, "rm", *rest, *leftover.names)


class PackageEngine:
    """The Python package `docker`."""

    def __init__(self, client: EngineClient) -> None:
        self._client = client

    def info(self) -> Mapping[str, Any]:
        return self._client.info()

    def disk_use(self) -> str:
        found = self._client.disk_use()
        volumes = sum(max(0, (row.get("UsageData") or {}).get("Size", 0)) for row in found.get("Volumes") or ())
        containers = sum(row.get("SizeRw", 0) for row in found.get("Containers") or ())
        sizes = (("images", found.get("LayersSize", 0)), ("containers", containers), ("local volumes", volumes))
        return ", ".join(f"{kind} {size(used)}" for kind, used in sizes)

    def listed(self, kind: str) -> list[dict[str, Any]]:
        engine = self._client
        parts: dict[str, Containers | Networks | Volumes | Images] = {
            "container": engine.containers,
            "network": engine.networks,
            "volume": engine.volumes,
            "image": engine.images,
        }
        inspect = parts[kind].inspect
        rows = parts[kind].list([] if kind == "container" else [CLUSTER])
        found = []
        for identity in dict.fromkeys(str(row["Name" if kind == "volume" else "Id"]) for row in rows):
            try:
                found.append(inspect(identity))
            except EngineError as error:
                if not is_gone(error):
                    raise
        return found

    def remove(self, leftover: Leftover) -> None:
        engine = self._client
        remove: dict[str, Callable[[str], None]] = {
            "container": lambda name: engine.containers.remove(name, force=False),
            "network": engine.networks.remove,
            "volume": engine.volumes.remove,
            "image": engine.images.remove,
        }
        for name in leftover.names:
            remove[leftover.kind](name)
