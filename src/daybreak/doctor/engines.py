"""Talking to Docker: through its Python package where that is installed, else through its command."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from daybreak.engine import refusals
from daybreak.engine.connect import api
from daybreak.engine.labels import CLUSTER, ROOT
from daybreak.errors import DaybreakError, EngineError
from daybreak.report.text import size

# A question is answered at once or never; deleting gigabytes takes a while.
ASK_S = 1.5
REMOVE_S = 300.0


@dataclass(frozen=True)
class Leftover:
    """An image or a volume with daybreak's label that no container uses; `cluster` is the label's value.

    `names` are all its names: an image goes with the last of them. `bytes` is None where the engine does not tell.
    `root` is the state folder of the cluster that a volume belongs to, empty where no label says it.
    """

    kind: str
    names: tuple[str, ...]
    cluster: str
    bytes: int | None = None
    root: str = ""

    def __str__(self) -> str:
        taken = "" if self.bytes is None else f" ({size(self.bytes)})"
        return f"{self.kind} {self.names[0]} of cluster {self.cluster}{taken}"


class Engine(Protocol):
    """What the diagnosis asks. Every method raises DaybreakError where the engine does not answer."""

    def info(self) -> Mapping[str, Any]:
        """`ServerVersion`, `Driver` and more, as the engine names them."""

    def disk_use(self) -> str:
        """How much images, containers and volumes take, in words."""

    def leftovers(self) -> list[Leftover]:
        """Images and volumes with the label that no container uses, stopped ones included."""

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

    def leftovers(self) -> list[Leftover]:
        labelled = self._ids("image", "ls", "--quiet", "--no-trunc", "--filter", f"label={CLUSTER}")
        volumes = self._ids("volume", "ls", "--quiet", "--filter", f"label={CLUSTER}", "--filter", "dangling=true")
        used: set[str] = set()
        containers = self._ids("ps", "--all", "--quiet", "--no-trunc") if labelled else []
        if containers:
            used = set(self._ids("inspect", "--format", "{{.Image}}", *containers))
        images = [image for image in labelled if image not in used]
        found = [_image(raw) for raw in self._inspect("image", images)]
        return found + [_volume(raw) for raw in self._inspect("volume", volumes)]

    def remove(self, leftover: Leftover) -> None:
        self._ask(leftover.kind, "rm", *leftover.names)

    def _inspect(self, kind: str, ids: Sequence[str]) -> list[dict[str, Any]]:
        return list(json.loads(self._ask(kind, "inspect", *ids))) if ids else []

    def _ids(self, *words: str) -> list[str]:
        return list(dict.fromkeys(self._ask(*words).split()))

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

    def leftovers(self) -> list[Leftover]:
        label = {"label": CLUSTER}
        used = {row["ImageID"] for row in self._asked(self._api.containers, all=True)}
        images = [row["Id"] for row in self._asked(self._api.images, filters=label) if row["Id"] not in used]
        volumes = self._asked(self._api.volumes, filters={**label, "dangling": True})["Volumes"] or []
        found = [_image(self._asked(self._api.inspect_image, image)) for image in images]
        return found + [_volume(raw) for raw in volumes]

    def remove(self, leftover: Leftover) -> None:
        remove = self._api.remove_image if leftover.kind == "image" else self._api.remove_volume
        for name in leftover.names:
            self._asked(remove, name)

    def _asked(self, function: Any, *args: Any, **rest: Any) -> Any:
        try:
            return function(*args, **rest)
        except Exception as error:  # the package lets errors of the libraries below it through
            raise refusals.of_error(error, self._timeout_s) from error


def _image(raw: Mapping[str, Any]) -> Leftover:
    labels = (raw.get("Config") or {}).get("Labels") or {}
    return Leftover("image", tuple(raw.get("RepoTags") or [raw["Id"]]), labels.get(CLUSTER, "?"), raw.get("Size"))


def _volume(raw: Mapping[str, Any]) -> Leftover:
    labels = raw.get("Labels") or {}
    return Leftover("volume", (raw["Name"],), labels.get(CLUSTER, "?"), root=labels.get(ROOT, ""))
