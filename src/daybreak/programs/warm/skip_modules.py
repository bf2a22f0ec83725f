"""What a program of Ray's would load in vain.

The dashboard and its agents look for their parts by importing every module of the dashboard, those of the other
included: a quarter of an agent's start. Here only those are found that speak of what is looked for.
"""

import pkgutil
from typing import Any, Dict, Iterator, Sequence

AGENT = "/ray/dashboard/agent.py"
DASHBOARD = "/ray/dashboard/dashboard.py"
MODULES = "ray.dashboard.modules."
AGENTS_PART = b"DashboardAgentModule"
# What programs/node/start.py gives the dashboard: the names of the classes that it is to have.
LOADED = "--modules-to-load="


def prepare(program: Dict[str, Any]) -> None:
    """In a fork, before the program begins."""
    if program["what"].endswith(AGENT):
        _look_only_for([AGENTS_PART])
    elif program["what"].endswith(DASHBOARD):
        names = [word[len(LOADED) :] for word in program["argv"] if word.startswith(LOADED)]
        if names:
            _look_only_for([b"class %s(" % name.encode() for name in names[0].split(",")])


def _look_only_for(texts: Sequence[bytes]) -> None:
    walk = pkgutil.walk_packages

    def walked(path: Any = None, prefix: str = "", onerror: Any = None) -> Iterator[Any]:
        for found in walk(path, prefix, onerror):
            if prefix != MODULES or found.ispkg or _speaks_of(found, texts):
                yield found

    setattr(pkgutil, "walk_packages", walked)  # noqa: B010


def _speaks_of(found: Any, texts: Sequence[bytes]) -> bool:
    """True where it cannot be told."""
    try:
        with open(f"{found.module_finder.path}/{found.name.rpartition('.')[2]}.py", "rb") as file:
            content = file.read()
    except (OSError, AttributeError):
        return True
    return any(text in content for text in texts)
