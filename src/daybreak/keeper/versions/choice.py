"""Which version is returned to, and with which spec. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from daybreak.errors import UsageError
from daybreak.keeper.control.request import read_spec
from daybreak.keeper.versions.version import Version
from daybreak.names import SERVE
from daybreak.spec.model import Spec

# What of a spec is the applications': all else, databases and ports among it, stays as it is now.
OF_THE_APPLICATIONS = ("ray", "head", "workers", "serve", "warm", "dashboard", "start_timeout")


def choose(wanted: int | None, serving: int | None, known: Sequence[Version], name: str) -> Version:
    """The version that is wanted, or the last one before that which serves. Raises UsageError where there is none."""
    numbers = ", ".join(str(version.number) for version in known)
    if wanted is not None:
        found = [version for version in known if version.number == wanted]
        if not found:
            told = f"it has {numbers}: `daybreak versions`" if known else "none was kept yet"
            raise UsageError(f"{name} has no version {wanted}; nothing was changed", hint=told)
        return found[0]
    if serving is None:
        hint = f"name one: {numbers}" if known else "each `restart` that goes well keeps one"
        raise UsageError(f"no version is known of what serves in {name}; nothing was changed", hint=hint)
    earlier = [version for version in known if version.number < serving]
    if not earlier:
        raise UsageError(
            f"{name} has no version before {serving}, which serves; nothing was changed",
            hint="`daybreak versions` lists those that are kept",
        )
    return earlier[-1]


def returning_spec(version: Version, now: Spec) -> Spec:
    """The spec as it is now, with what the version has of the applications and of the services of their tier.

    Raises UsageError where the two do not fit together.
    """
    current = now.model_dump(mode="json", by_alias=True)
    merged = {**current, **{key: version.spec[key] for key in OF_THE_APPLICATIONS if key in version.spec}}
    merged["services"] = _of_tier(version.spec.get("services", {}), "app") | _of_tier(current["services"], "data")
    spec = read_spec(merged)
    known = {*merged["services"], *spec.workers.groups, "head", "workers", "serve"}
    known |= {name for name, wanted in merged["databases"].items() if wanted is not None}
    needs = {**{name: service.needs for name, service in spec.services.items()}, SERVE: spec.serve.needs}
    for name, needed in needs.items():
        if missing := sorted(need for need in needed if need not in known and not _is_worker(need)):
            what = "applications, and serve" if name == SERVE else f"a service {name} that"
            raise UsageError(
                f"version {version.number} has {what} needs {', '.join(missing)}, "
                "which the spec does not have now; nothing was changed",
                hint="`daybreak rollback` leaves databases, and services of tier data, as they are",
            )
    return spec


def _is_worker(need: str) -> bool:
    return need.startswith("worker-")


def _of_tier(services: dict[str, Any], tier: str) -> dict[str, Any]:
    return {name: service for name, service in services.items() if service.get("tier", "app") == tier}
