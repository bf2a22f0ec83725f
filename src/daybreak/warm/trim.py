"""What a program of Ray's would load in vain.

An agent looks for its parts by importing every module of the dashboard, those of the head included: a quarter of its
start. Here only those are found that speak of agents at all.
"""

import pkgutil
from typing import Any, Dict, Iterator

AGENT = "/ray/dashboard/agent.py"
MODULES = "ray.dashboard.modules."
AGENTS_PART = b"DashboardAgentModule"


def prepare(program: Dict[str, Any]) -> None:
    """In a fork, before the program begins."""
    if program["what"].endswith(AGENT):
        _look_for_agents_only()


def _look_for_agents_only() -> None:
    walk = pkgutil.walk_packages

    def walked(path: Any = None, prefix: str = "", onerror: Any = None) -> Iterator[Any]:
        for found in walk(path, prefix, onerror):
            if prefix != MODULES or found.ispkg or _speaks_of_agents(found):
                yield found

    setattr(pkgutil, "walk_packages", walked)  # noqa: B010


def _speaks_of_agents(found: Any) -> bool:
    """True where it cannot be told."""
    try:
        with open(f"{found.module_finder.path}/{found.name.rpartition('.')[2]}.py", "rb") as file:
            return AGENTS_PART in file.read()
    except (OSError, AttributeError):
        return True
