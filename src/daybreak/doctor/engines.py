"""Talking to Docker: through its Python package where that is installed, else through its command."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from daybreak.errors import DaybreakError
from daybreak.report.text import size

LABEL = "daybreak.cluster"
# A question is answered at once or never; deleting gigabytes takes a while.
ASK_S = 1.5
REMOVE_S = 300.0
# Containers of all, since somebody else's may use what is ours.
LIST = {
    "container": ("--all", "--no-trunc"),
    "network": ("--no-trunc", "--filter", f"label={LABEL}"),
    "volume": ("--filter", f"label={LABEL}"),
    "image": ("--no-trunc", "--filter", f"label={LABEL}"),
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

    `timeout_s` is how long each question, or each deletion, may take.
    """
    try:
        import docker
    except ImportError:
        return CommandEngine(timeout_s) if shutil.which("docker") else None
    try:
        return PackageEngine(docker.from_env(timeout=timeout_s))
    except docker.errors.DockerException as error:
        if shutil.which("docker"):
            return CommandEngine(timeout_s)
        raise DaybreakError(_last_line(str(error))) from error


class CommandEngine:
    """The `docker` command, which also knows contexts."""

    def __init__(self, timeout_s: float = ASK_S) -> None:
        self._timeout_s = timeout_s

    def info(self) -> Mapping[str, Any]:
        found: dict[str, Any] = json.loads(self._ask("info", "--format", "{{json .}}") or "{}")
        if not found.get("ServerVersion"):
            raise DaybreakError("; ".join(found.get("ServerErrors") or ["the engine does not answer"]))
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
            raise DaybreakError(_last_line(done.stderr) or f"docker {words[0]}: exit code {done.returncode}")
        return done.stdout.strip()


class PackageEngine:
    """The Python package `docker`."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def info(self) -> Mapping[str, Any]:
        found: dict[str, Any] = self._asked(self._client.info)
        return found

    def disk_use(self) -> str:
        found = self._asked(self._client.df)
        volumes = sum(max(0, (row.get("UsageData") or {}).get("Size", 0)) for row in found.get("Volumes") or ())
        containers = sum(row.get("SizeRw", 0) for row in found.get("Containers") or ())
        sizes = (("images", found.get("LayersSize", 0)), ("containers", containers), ("local volumes", volumes))
        return ", ".join(f"{kind} {size(used)}" for kind, used in sizes)

    def listed(self, kind: str) -> list[dict[str, Any]]:
        api, label = self._client.api, {"label": LABEL}
        look: Any = {
            "container": lambda: [row["Id"] for row in api.containers(all=True)],
            "network": lambda: [row["Id"] for row in api.networks(filters=label)],
            "volume": lambda: [row["Name"] for row in api.volumes(filters=label)["Volumes"] or []],
            "image": lambda: [row["Id"] for row in api.images(filters=label)],
        }
        inspect = getattr(api, f"inspect_{kind}")
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
            self._asked(getattr(self._client.api, f"remove_{leftover.kind}"), name, **rest)

    @staticmethod
    def _asked(function: Any, *args: Any, **rest: Any) -> Any:
        try:
            return function(*args, **rest)
        except Exception as error:  # the package lets errors of the libraries below it through
            raise DaybreakError(_last_line(str(error))) from error


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1]
