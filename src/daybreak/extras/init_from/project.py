"""A Compose project as the draft of a spec: what each service is, then section by section."""

from __future__ import annotations

from collections.abc import Mapping

from daybreak.extras.init_from.addresses import Reach
from daybreak.extras.init_from.applications import bring_applications
from daybreak.extras.init_from.compose import Project
from daybreak.extras.init_from.databases import bring_databases
from daybreak.extras.init_from.draft import Draft
from daybreak.extras.init_from.kinds import Kind, Known, known, repository
from daybreak.extras.init_from.listening import listening
from daybreak.extras.init_from.nodes import bring_nodes
from daybreak.extras.init_from.own import bring_own, why_left_out

WATCHING_PORTS = {"prometheus": 9090, "grafana": 3000}
ORDER = (
    "name",
    "backend",
    "docker",
    "ray",
    "head",
    "workers",
    "serve",
    "databases",
    "secrets",
    "services",
    "ports",
    "dashboard",
)


def draft_of(project: Project, name: str, backend: str) -> Draft:
    """The draft of the spec. Every service of the project has a fate in it."""
    draft = Draft(backend, {"name": name})
    if draft.in_containers:
        draft.spec |= {"backend": "docker", "docker": {"network": "host"}}
        draft.comment(
            "docker", text="The machine's own network: services find each other on 127.0.0.1, as processes do"
        )
    found = known(project)
    for one in found.values():
        draft.fate(one.service.name)
    bring_databases(draft, project, found)
    for service, reason in ((one, why_left_out(draft, project, found[one])) for one in found):
        if reason:
            draft.left_out(service, reason)
    _watching(draft, found)
    reach = _reach(draft, found)
    bring_nodes(draft, project, found, reach)
    bring_applications(draft, project, found, reach)
    bring_own(draft, project, found, reach)
    for name_of_variable in project.words.unset:
        draft.notes.append(f"{name_of_variable} is not set in .env: it is empty, or its default, as in Compose")
    draft.notes += project.notes
    draft.spec = {key: draft.spec[key] for key in ORDER if draft.spec.get(key) not in (None, {})}
    return draft


def _reach(draft: Draft, found: Mapping[str, Known]) -> Reach:
    """Where everything answers; moves ports out of each other's way."""
    hosts = {host: name for name, one in found.items() for host in sorted(one.service.names)}
    serves = any(one.asked.serves for one in found.values())
    moved = listening(draft, found, serves=serves)
    gone = frozenset(name for name, fate in draft.fates.items() if fate.reason)
    ports = draft.spec.get("ports", {})
    return Reach(found, hosts, draft.spec.get("databases", {}), ports.get("serve", 8000), moved, gone)


def _watching(draft: Draft, found: Mapping[str, Known]) -> None:
    """daybreak has its own Prometheus and Grafana."""
    for one in found.values():
        if one.kind is not Kind.WATCHING:
            continue
        name = repository(one.service.image).partition("-")[0]
        fate = draft.became(one.service.name, name)
        fate.notes.append(
            f"daybreak starts its own {name} where this machine has it; what yours is told besides is not carried over"
        )
        published = next((port.published for port in one.service.ports), None)
        if published and published != WATCHING_PORTS[name]:
            draft.section("ports")[name] = published
