"""In which container a process of this machine runs. With the machine's own network such processes listen here, and
nothing else shows whose they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

from daybreak.programs.common.proc import PROC


def container_of(names: Mapping[str, str], proc: str = PROC) -> Callable[[int], str]:
    """A function that tells the name of a process's container, by its control group; `names` are by the engine's ids.
    Empty for a process in none of them."""

    @cache
    def found(pid: int) -> str:
        try:
            with open(f"{proc}/{pid}/cgroup") as file:
                groups = file.read()
        except OSError:
            return ""
        return next((name for identity, name in names.items() if identity in groups), "")

    return found
