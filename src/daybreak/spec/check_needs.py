"""What is wrong with who needs whom: names, steps that never end, and circles."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from daybreak.names import DATABASES, HEAD, SERVE, WORKERS, group_of
from daybreak.spec import suggest
from daybreak.spec.document import KeyPath, touched
from daybreak.spec.groups import by_group
from daybreak.spec.model import Spec
from daybreak.spec.needs import Needs, done, steps
from daybreak.spec.wording import Finding


def needs(spec: Spec, unsure: Collection[KeyPath]) -> Iterator[Finding]:
    """Names that nothing has; what never ends and is to be done; what comes too late for the applications."""
    missing = _missing(spec, unsure)
    own = [name for name in (HEAD, WORKERS, SERVE, *DATABASES) if name not in missing]
    own += spec.workers.groups
    broken = [str(path[1]) for path in unsure if path[0] == "services" and path[1:]]
    known = list(dict.fromkeys([*own, *spec.services, *sorted(broken)]))
    for place, needed in _every(spec):
        for name, path in _each(place, needed):
            if name in missing and name not in known:
                yield Finding(path, *missing[name])
            elif name not in known:
                yield Finding(path, f"no service is called '{name}'", suggest.for_name(name, known, missing))
            elif name in done(needed) and name not in spec.services and name not in broken:
                yield Finding(path, f"{name} goes on, so it is never done", f"write {name}: ready")
            elif place[0] == SERVE and name in spec.services and not _before_serve(spec, name):
                hint = "need a step (NAME: done), a database, or a service of tier data"
                yield Finding(path, f"{name} is replaced after the applications, so they cannot wait for it", hint)


def steps_run_once(spec: Spec, unsure: Collection[KeyPath]) -> Iterator[Finding]:
    """What a service that is run to its end cannot have."""
    for name in sorted(steps(spec)):
        service, place = spec.services[name], ("services", name)
        why = "it is run to its end (`run: once`, or needed `done`)"
        if service.check and not touched((*place, "check"), unsure):
            yield Finding((*place, "check"), f"{why}, which is when it is ready", "remove the check")
        if service.tier == "data":
            yield Finding((*place, "tier"), f"{why}: steps belong to the app tier", "remove the tier")
        if "restart" in service.model_fields_set and service.restart != "never":
            hint = "remove restart; the next `daybreak up` runs it again"
            yield Finding((*place, "restart"), f"{why}, and is not started again when that fails", hint)


def scheduled(spec: Spec, unsure: Collection[KeyPath]) -> Iterator[Finding]:
    """What a service that runs now and then cannot have, and who cannot need it."""
    timed = {name for name, service in spec.services.items() if service.schedule}
    for name in sorted(timed):
        service, own, why = spec.services[name], ("services", name), "a scheduled service runs to its end"
        if service.check and not touched((*own, "check"), unsure):
            yield Finding((*own, "check"), f"{why}: nothing asks whether it is ready", "remove the check")
        if service.tier == "data":
            yield Finding((*own, "tier"), f"{why}, in the app tier", "remove the tier")
        if "restart" in service.model_fields_set and service.restart != "never":
            yield Finding((*own, "restart"), f"{why}, and its next time is its next try", "remove restart")
        if name in steps(spec):
            yield Finding((*own, "schedule"), "it is run to its end before what needs it, not now and then")
    for place, needed in _every(spec):
        for name, path in _each(place, needed):
            if name in timed and name not in steps(spec):
                yield Finding(path, f"{name} is scheduled: it may not have run, and is never ready")


def circles(spec: Spec) -> Iterator[Finding]:
    """Needs that go round. Workers start after the applications are submitted."""
    found: dict[str, Needs] = {name: service.needs for name, service in spec.services.items()}
    if spec.serve.needs:
        found[SERVE] = spec.serve.needs
        groups = {*by_group(spec.workers), WORKERS}
        nodes = {name for needed in found.values() for name in needed if name in groups or group_of(name, groups)}
        found |= dict.fromkeys(nodes, (SERVE,))
    finished: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        if name in trail:
            yield (*trail[trail.index(name) :], name)
        elif name in found and name not in finished:
            for need in found[name]:
                yield from visit(need, (*trail, name))
            finished.add(name)

    for start in found:
        for circle in visit(start, ()):
            words = "needs itself" if len(circle) == 2 else f"needs go round in a circle: {' -> '.join(circle)}"
            first = circle[0]
            yield Finding(("services", first, "needs") if first in spec.services else (SERVE, "needs"), words)


def _every(spec: Spec) -> Iterator[tuple[KeyPath, Needs]]:
    yield (SERVE, "needs"), spec.serve.needs
    for name, service in spec.services.items():
        yield ("services", name, "needs"), service.needs


def _each(place: KeyPath, needed: Needs) -> Iterator[tuple[str, KeyPath]]:
    """Each need with where it is written: needs are a list, or a mapping."""
    for index, name in enumerate(needed):
        yield name, (*place, name if isinstance(needed, dict) else index)


def _before_serve(spec: Spec, name: str) -> bool:
    """Does a restart leave it, and all that it needs, as it is, or run it first?"""
    once, seen, waiting = steps(spec), set[str](), [name]
    while waiting:
        one = waiting.pop()
        service = spec.services.get(one)
        if one in seen or service is None:
            continue
        if service.tier != "data" and one not in once:
            return False
        seen.add(one)
        waiting += list(service.needs)
    return True


def _missing(spec: Spec, unsure: Collection[KeyPath]) -> dict[str, tuple[str, str]]:
    """What daybreak could start but this spec does not ask for: name to message and hint."""
    missing = {}
    applications_unsure = touched(("serve", "applications"), unsure) or touched(("serve", "config"), unsure)
    if not spec.serve.wanted and not applications_unsure:
        missing["serve"] = ("there are no Serve applications", "write serve: {applications: [{import: app:main}]}")
    for name in DATABASES:
        if getattr(spec.databases, name) is None and not touched(("databases", name), unsure):
            missing[name] = (f"there is no {name}", f"write databases: {{{name}: {{}}}}")
    return missing
