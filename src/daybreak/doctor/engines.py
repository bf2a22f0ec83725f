"""Talking to Docker: through its Python package where that is installed, else through its command."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from daybreak.engine import refusals
from daybreak.engine.connect import api
from daybreak.engine.labels import CLUSTER
from daybreak.errors import DaybreakError, EngineError
from daybreak.report.text import size

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
    """What the diagnosis asks. Every method raises DaybreakError where the engine does not answer."""

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
        return PackageEngine(api(timeout_s), timeout_s)
    except EngineError as refused:
        if shutil.which("docker"):
            return CommandEngine(timeout_s)
        if refused.missing:
            return None
        raise


class CommandEngine:
    """The `docker` command, which also knows contexts."""

    def __init__(self, timeout_s: float = ASK_S) -> None:
        self._timeout_s = timeout_s

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
            except DaybreakError as error:
                if GONE not in error.message.lower():
                    raise
        raise DaybreakError(f"docker {kind} ls: what it lists is gone at once, again and again")

    def remove(self, leftover: Leftover) -> None:
        # What a container has without a name is of no use to anybody without it.
        rest = ["--volumes"] if leftover.kind == "container" else []
        self._ask(leftover.kind, "rm", *rest, *leftover.names)

    def _ask(self, *words: str) -> str:
        try:
            done = subprocess.run(
                ["docker", *words],
                check=False,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=self._timeout_s,
            )
        except subprocess.TimeoutExpired as error:
            raise DaybreakError(f"docker {words[0]}: no answer within {self._timeout_s:g} s") from error
        except OSError as error:
            raise DaybreakError(f"docker {words[0]}: {error.strerror}") from error
        if done.returncode:
            raise refusals.of_text(done.stderr, otherwise=f"docker {words[0]}: exit code {done.returncode}")
        return done.stdout.strip()


class PackageEngine:
    """The low-level client of the Python package `docker`."""

    def __init__(self, client: Any, timeout_s: float = ASK_S) -> None:
        self._api = client
        self._timeout_s = timeout_s

    def info(self) -> Mapping[str, Any]:
        found: dict[str, Any] = self._asked(self._api.info)
        return found

    def disk_use(self) -> str:
        found = self._asked(self._api.df)
        volumes = sum(max(0, (row.get("UsageData") or {}).get("Size", 0)) for row in found.get("Volumes") or ())
        containers = sum(row.get("SizeRw", 0) for row in found.get("Containers") or ())
        sizes = (("images", found.get("LayersSize", 0)), ("containers", containers), ("local volumes", volumes))
        return ", ".join(f"{kind} {size(used)}" for kind, used in sizes)

    def listed(self, kind: str) -> list[dict[str, Any]]:
        engine, label = self._api, {"label": CLUSTER}
        look: Any = {
            "container": lambda: [row["Id"] for row in engine.containers(all=True)],
            "network": lambda: [row["Id"] for row in engine.networks(filters=label)],
            "volume": lambda: [row["Name"] for row in engine.volumes(filters=label)["Volumes"] or []],
            "image": lambda: [row["Id"] for row in engine.images(filters=label)],
        }
        inspect = getattr(engine, f"inspect_{kind}")
        found = []
        for identity in dict.fromkeys(self._asked(look[kind])):
            try:
                found.append(self._asked(inspect, identity))
            except DaybreakError as error:
                if GONE not in error.message.lower():
                    raise
        return found

    def remove(self, leftover: Leftover) -> None:
        rest = {"v": True} if leftover.kind == "container" else {}
        for name in leftover.names:
            self._asked(getattr(self._api, f"remove_{leftover.kind}"), name, **rest)

    def _asked(self, function: Any, *args: Any, **rest: Any) -> Any:
        try:
            return function(*args, **rest)
        except Exception as error:  # the package lets errors of the libraries below it through
            raise refusals.of_error(error, self._timeout_s) from error
