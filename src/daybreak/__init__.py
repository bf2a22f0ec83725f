"""daybreak: a Ray cluster that is serving within seconds, restarts with its databases up, and shows its every second.

    import daybreak

    with daybreak.cluster(workers=2, app="app:main") as c:
        print(c.urls["serve"])

The names below are the whole public interface; everything is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from daybreak.api import Cluster, cluster, down, load, restart, scale, status, up
    from daybreak.errors import DaybreakError
    from daybreak.spec.load import LoadedSpec

__all__ = [
    "Cluster",
    "DaybreakError",
    "LoadedSpec",
    "__version__",
    "cluster",
    "down",
    "load",
    "restart",
    "scale",
    "status",
    "up",
]


def __getattr__(name: str) -> Any:
    if name == "DaybreakError":
        from daybreak.errors import DaybreakError

        return DaybreakError
    if name == "LoadedSpec":
        from daybreak.spec.load import LoadedSpec

        return LoadedSpec
    if name in __all__:
        from daybreak import api

        return getattr(api, name)
    raise AttributeError(f"module 'daybreak' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
