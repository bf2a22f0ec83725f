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
    from daybreak.api import (
        Cluster,
        cluster,
        down,
        load,
        pause,
        restart,
        restart_application,
        restart_service,
        resume,
        rollback,
        scale,
        start_service,
        status,
        stop_service,
        up,
        versions,
    )
    from daybreak.errors import (
        DaybreakError,
        EngineError,
        Interrupted,
        KeeperError,
        NotRunning,
        PreflightError,
        ServiceDied,
        SpecError,
        StepFailed,
        UsageError,
        VettingFailed,
        WaitError,
        WaitTimeout,
    )
    from daybreak.spec.load import LoadedSpec

# In the order of the tree in `daybreak.errors`.
_ERRORS = (
    "DaybreakError",
    "UsageError",
    "SpecError",
    "PreflightError",
    "VettingFailed",
    "WaitError",
    "ServiceDied",
    "WaitTimeout",
    "StepFailed",
    "EngineError",
    "KeeperError",
    "NotRunning",
    "Interrupted",
)
__all__ = [
    "Cluster",
    "DaybreakError",
    "EngineError",
    "Interrupted",
    "KeeperError",
    "LoadedSpec",
    "NotRunning",
    "PreflightError",
    "ServiceDied",
    "SpecError",
    "StepFailed",
    "UsageError",
    "VettingFailed",
    "WaitError",
    "WaitTimeout",
    "__version__",
    "cluster",
    "down",
    "load",
    "pause",
    "restart",
    "restart_application",
    "restart_service",
    "resume",
    "rollback",
    "scale",
    "start_service",
    "status",
    "stop_service",
    "up",
    "versions",
]


def __getattr__(name: str) -> Any:
    if name in _ERRORS:
        from daybreak import errors

        return getattr(errors, name)
    if name == "LoadedSpec":
        from daybreak.spec.load import LoadedSpec

        return LoadedSpec
    if name in __all__:
        from daybreak import api

        return getattr(api, name)
    raise AttributeError(f"module 'daybreak' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
