"""What must hold of which service of a compose file before another one starts. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from daybreak.names import HEAD, SERVE, WORKERS, group_of
from daybreak.services.databases.connections import wanted_databases
from daybreak.spec.groups import by_group
from daybreak.spec.model import Spec
from daybreak.spec.needs import steps

DONE, HEALTHY, STARTED = "service_completed_successfully", "service_healthy", "service_started"


def conditions(spec: Spec, needed: Iterable[str]) -> dict[str, str]:
    """A step must have run to its end; a service without a check only has to run."""
    found: dict[str, str] = {}
    for name in needed:
        own = spec.services.get(name)
        if name in steps(spec):
            found[name] = DONE
        elif own:
            found[name] = HEALTHY if own.check else STARTED
        else:
            found |= dict.fromkeys(_standing_for(spec, name), HEALTHY)
    return found


def _standing_for(spec: Spec, need: str) -> list[str]:
    """The services of the file for one of daybreak's: of workers there is one for each group."""
    groups = list(by_group(spec.workers))
    if need == WORKERS:
        return groups
    return [HEAD if need == SERVE else group_of(need, groups) or need]


def of_head(spec: Spec) -> dict[str, str]:
    """Databases, since an application may connect when it is imported, and what the applications need."""
    return dict.fromkeys(wanted_databases(spec), HEALTHY) | conditions(spec, needed_by_serve(spec))


def needed_by_serve(spec: Spec) -> list[str]:
    """What the applications need, as far as a container can wait for it that is a Ray node, too."""
    return [name for name in spec.serve.needs if not needs_ray(spec, name)]


def needs_ray(spec: Spec, name: str) -> bool:
    """Does it need a Ray node, itself or through what it needs? A checked spec has no circles."""
    service, groups = spec.services.get(name), by_group(spec.workers)
    return any(
        need in (HEAD, SERVE, WORKERS, *groups) or bool(group_of(need, groups)) or needs_ray(spec, need)
        for need in (service.needs if service else ())
    )
