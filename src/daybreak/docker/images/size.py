"""What an image weighs: its layers, and the packages in it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from daybreak.docker import labels
from daybreak.docker.docker_cli import Client
from daybreak.docker.images.context import RECIPE
from daybreak.errors import DaybreakError

OTHER = "(other)"


@dataclass(frozen=True)
class Layer:
    """One layer: what made it, and its bytes."""

    made_by: str
    bytes: int


@dataclass(frozen=True)
class Package:
    """A distribution and the bytes of its files, what was compiled from them included."""

    name: str
    version: str
    bytes: int


@dataclass(frozen=True)
class Weight:
    """`layers` from the bottom up, without those that hold nothing; `packages` from the heaviest down."""

    image: str
    id: str
    bytes: int
    layers: tuple[Layer, ...]
    packages: tuple[Package, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def weigh(client: Client, image: str) -> Weight:
    """Ask the engine for the layers, and the image itself for its packages; it runs for a moment, without network."""
    found = client.inspect(image)
    history = client.ask("history", "--no-trunc", "--human=false", "--format", "{{json .}}", image)
    ray = labels.ray_of((found.get("Config") or {}).get("Labels")) or {}
    return Weight(image, found["Id"], found["Size"], layers(history), _packages(client, image, ray))


def layers(history: str) -> tuple[Layer, ...]:
    """The layers in the output of `docker history`, which begins with the newest."""
    rows = [json.loads(line) for line in history.splitlines() if line.strip()]
    made = [Layer(_instruction(row["CreatedBy"] or row.get("Comment") or ""), int(row["Size"])) for row in rows]
    return tuple(layer for layer in reversed(made) if layer.bytes)


def packages(weights: Mapping[str, int]) -> tuple[Package, ...]:
    """Sorted, the heaviest first; the names are `NAME VERSION`."""
    rows = [Package(*_parted(name), weight) for name, weight in weights.items()]
    return tuple(sorted(rows, key=lambda row: (-row.bytes, row.name)))


def _packages(client: Client, image: str, ray: Mapping[str, Any]) -> tuple[Package, ...]:
    """Empty where the image has no Python that could tell."""
    python = str(ray.get("python", "python3"))
    command = ("run", "--rm", "--interactive", "--network", "none", "--no-healthcheck", "--entrypoint", python)
    try:
        said = client.ask(*command, image, "-I", "-", stdin=(RECIPE / "weigh.py").read_bytes())
        found = packages(json.loads(said))
    except (DaybreakError, ValueError):
        return ()
    # Where no package is known, the rest is the whole system, which says nothing.
    return found if any(package.name != OTHER for package in found) else ()


def _parted(name: str) -> tuple[str, str]:
    first, _, version = name.partition(" ")
    return first, version


def _instruction(text: str) -> str:
    """The instruction without what the engine puts around it."""
    text = re.sub(r"^(RUN )?(\|\d+ \S+(=\S*)? )*/bin/sh -c (#\(nop\) *)?", lambda m: m.group(1) or "RUN ", text)
    return " ".join(text.removesuffix("# buildkit").split())
