"""The machine's GPUs, and which of them each node of a cluster has."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from daybreak.errors import Problem, SpecError
from daybreak.files import Book
from daybreak.machine.programs import said_by
from daybreak.paths import ClusterPaths
from daybreak.services.ray.gpus import VARIABLE, Devices, NotEnough, shared_out
from daybreak.spec.model import Spec

BOOK = "gpus.json"
PROGRAM = "nvidia-smi"
TIMEOUT_S = 20.0
_LINE = re.compile(r"^GPU (\d+):", re.MULTILINE)


def find_gpus(environment: Mapping[str, str], listing: Callable[[], str | None] | None = None) -> Devices | None:
    """The GPUs that programs with this environment may use, as CUDA names them; None where nobody can tell.

    A `CUDA_VISIBLE_DEVICES` goes before what `listing` says, which is that of nvidia-smi.
    """
    visible = environment.get(VARIABLE)
    if visible is not None:
        named = [device.strip() for device in visible.split(",")]
        return tuple(device for device in named if device and device not in ("-1", "NoDevFiles"))
    text = (listing or _listing)()
    return None if text is None else tuple(_LINE.findall(text))


def assign(
    spec: Spec, paths: ClusterPaths, there: Devices | None, *, alone: bool, keep: bool = True
) -> dict[str, Devices]:
    """Which node has which, as it was before where that fits. Raises SpecError where there are not enough, or one is
    asked for twice; with `keep` it is remembered."""
    book = Book(paths.root / BOOK, "the GPUs", lock=paths.root / f".{BOOK}.lock")
    with book.changing(keep=keep and there is not None) as values:
        kept = {name: list(map(str, had)) for name, had in values.items() if isinstance(had, list)}
        try:
            found = shared_out(spec, there, kept, alone=alone)
        except NotEnough as error:
            raise SpecError([_problem(spec, node, why) for node, why in error.problems]) from None
        values.update({name: list(devices) for name, devices in found.items()})
    return found


def _problem(spec: Spec, node: str, why: str) -> Problem:
    group = node.rpartition("-")[0]
    place = node if node == "head" else f"workers.groups.{group}" if spec.workers.groups else "workers"
    hint = "ask for less, fewer nodes, or name the GPUs: gpus: [0, 1]"
    return Problem(f"{node} {why}", key=f"{place}.gpus", hint=hint)


@cache
def _listing() -> str | None:
    """What nvidia-smi says; None where it is not here, or does not answer. It takes a second, and says the same as long
    as a keeper lives."""
    program = shutil.which(PROGRAM)
    if program is None or not any(Path("/dev").glob("nvidia[0-9]*")):
        return None
    return said_by([program, "-L"], TIMEOUT_S)
