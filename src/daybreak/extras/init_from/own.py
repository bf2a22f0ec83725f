"""Services of the user's own, and images of others in containers."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from daybreak.extras.init_from.addresses import Place, quoted
from daybreak.extras.init_from.compose import DONE, ComposeService, Project
from daybreak.extras.init_from.draft import Draft, Fate, without_nothing
from daybreak.extras.init_from.environment import Carried, Reach, carried, hidden
from daybreak.extras.init_from.health import check_of, moved
from daybreak.extras.init_from.kinds import Kind, Known, repository
from daybreak.extras.init_from.loops import loop_of
from daybreak.extras.init_from.passwords import passwords_of
from daybreak.spec.names import as_name

RESTARTS = {"no": "never", "always": "always", "unless-stopped": "always"}
# What needs another Python, or none.
PYTHONS = ("python", "ray", "ray-ml", "ray-llm", "uv", "miniconda3", "micromamba", "mambaforge")
GATEWAYS = ("nginx", "traefik", "caddy", "haproxy", "envoy", "kong", "nginx-proxy")
# A loop with long sleeps does what cron does.
LONG_LOOP = re.compile(r"\b(while|until)\b.*\bsleep\s+(\d{4,}|\d+[hd]|[1-9]\d+m)\b", re.DOTALL)
CRONS = {"cron", "crond", "supercronic", "yacron"}
# Of what was built on something else than Python, and of what was.
ON_MACHINE = (
    "this machine needs the same programs",
    "what its image installs must be installed where Ray is: `python` is Ray's interpreter here",
)
IN_IMAGE = (
    "it runs beside Ray, in an image of Python alone: with `image` it has its own",
    "what its image installs belongs into requirements.txt, from which `daybreak image build` makes one image for all",
)
NO_CONTAINERS = "its image needs a container: --backend docker, or start it in another way"


def why_left_out(draft: Draft, project: Project, one: Known) -> str | None:
    """Why nothing of the spec can stand for a service; None where it can."""
    name = repository(one.service.image)
    if one.kind is Kind.NOTHING:
        return "neither the file nor a Dockerfile says what it runs"
    if one.kind is not Kind.FOREIGN:
        return None
    if any(start.is_head for start in one.asked.starts):
        return "a cluster has one head: make it a project of its own"
    if one.database and not draft.in_containers:
        return f"a cluster has one {one.database}: use further databases of that, or --backend docker"
    if draft.in_containers:
        words = " ".join(map(project.words.value, one.service.words))
        if any(password in words for password in passwords_of(project)):
            return "its command holds a password, which does not belong into a spec: give it in a file or a variable"
        return None if one.service.image else "it has neither an image nor a build"
    if name in GATEWAYS:
        return "daybreak's gateway stands in front of Serve; what it does besides needs a container: --backend docker"
    return f"{NO_CONTAINERS} ({one.service.image})" if one.service.image else "it has neither an image nor a build"


def bring_own(draft: Draft, project: Project, known: Mapping[str, Known], reach: Reach) -> None:
    """The section `services`."""
    for one in known.values():
        if one.kind not in (Kind.OWN, Kind.FOREIGN) or one.service.name in reach.gone:
            continue
        name = one.called
        section = _section(draft, project, one, known, reach)
        draft.section("services")[name] = section
        draft.became(one.service.name, f"services.{name}")
        what = (
            one.service.image
            if one.kind is Kind.FOREIGN or not one.service.build.context
            else one.service.build.context
        )
        draft.comment("services", name, text=f"{one.service.name}: {what}")


def _section(draft: Draft, project: Project, one: Known, known: Mapping[str, Known], reach: Reach) -> dict[str, Any]:
    service, fate = one.service, draft.fate(one.service.name)
    foreign = one.kind is Kind.FOREIGN
    ports = reach.moved.get(service.name, {})
    found = carried(draft, project, service, reach)
    check = check_of(service.healthcheck)
    needed = any(service.name in other.service.needs for other in known.values())
    loop = None if foreign or needed else loop_of(service.words)
    if loop:
        service = replace(service, command=loop.words, entrypoint=())
        fate.notes.append(f'its loop is `schedule: "{loop.cron}"` here: write another time, if you mean one')
        check = None
    section = {
        "image": service.image if foreign else None,
        "command": _command(draft, project, service, found, reach, foreign),
        "cwd": None if foreign else _folder(project, service),
        **found.section(),
        "ports": [ports.get(port, port) for port in dict.fromkeys(each.inside for each in service.ports)],
        "volumes": _volumes(project, service, fate) if draft.in_containers else None,
        "needs": _needs(draft, service, known, reach, found),
        "check": moved(check, ports) if check else None,
        "profiles": list(service.profiles),
        "schedule": loop.cron if loop else None,
        "restart": None if loop else _restart(service, known),
        "stop_grace": service.stop_grace,
    }
    if draft.in_containers:
        section |= {"memory": service.deploy.get("mem_limit"), "cpus": service.deploy.get("cpus")}
    if not foreign:
        _tell(service, fate, draft.in_containers)
    return without_nothing(section)


def _command(
    draft: Draft, project: Project, service: ComposeService, found: Carried, reach: Reach, foreign: bool
) -> list[str] | None:
    """Words; paths of the image become those of the folder."""
    words = list(service.words)
    if foreign:
        if service.entrypoint is None and service.command is not None:
            return list(service.command)
        return words or None
    inside = service.working_dir.rstrip("/")
    if inside:
        words = [re.sub(rf"(?<![\w/.]){re.escape(inside)}/", "./", word) for word in words]
    for old, new in reach.moved.get(service.name, {}).items():
        words = [re.sub(rf"(?<!\d){old}(?!\d)", str(new), word) for word in words]
        draft.fate(service.name).notes.append(f"listens on {new} here, and not on {old}, which is taken")
    held = {at: place for at, word in enumerate(words) if (place := _held(draft, project, service, found, reach, word))}
    return found.around(words, reach, held)


def _held(
    draft: Draft, project: Project, service: ComposeService, found: Carried, reach: Reach, word: str
) -> Place | None:
    """A word that has a password of the file in it: that comes from where it is kept."""
    value = project.words.value(word)
    place = reach.place(value, "")
    if place and place.shell:
        return None
    value = place.text if place and place.text else value
    password = next((one for one in passwords_of(project) if one in value), None)
    if password is None:
        return None
    key = f"{as_name(service.name).upper().replace('-', '_')}_PASSWORD_{len(found.secrets) + 1}"
    hidden(draft, project, service, found, key, password)
    before, _, after = value.partition(password)
    return Place(shell=f"{quoted(before)}${{{key}}}{quoted(after)}")


def _folder(project: Project, service: ComposeService) -> str | None:
    """The folder that its image is made of; one below it where it works there."""
    context = service.build.context or "."
    for mount in service.mounts:
        if mount.is_folder and mount.target.rstrip("/") == service.working_dir.rstrip("/") != "":
            context = mount.source
    root = PurePosixPath(service.build.working_dir or service.working_dir or "/")
    try:
        below = PurePosixPath(service.working_dir or root).relative_to(root)
    except ValueError:
        below = PurePosixPath(".")
    folder = str(PurePosixPath(context, below))
    if not os.path.isdir(project.folder / folder):
        folder = context
    return None if folder == "." or not os.path.isdir(Path(project.folder, folder)) else folder


def _volumes(project: Project, service: ComposeService, fate: Fate) -> list[str]:
    found = []
    for mount in service.mounts:
        source = as_name(mount.source or mount.target) if not mount.is_folder else mount.source
        if mount.is_folder and not os.path.exists(project.folder / mount.source):
            fate.notes.append(f"volume {mount.source}: no such folder; not carried over")
            continue
        found.append(f"{source}:{mount.target}{':ro' if mount.read_only else ''}")
    return found


def _needs(
    draft: Draft, service: ComposeService, known: Mapping[str, Known], reach: Reach, carried: Carried
) -> list[str] | dict[str, str]:
    """What must be ready first; `done` for what must have run to its end. A database that it knows of belongs to that,
    said or not: a server that makes its data takes seconds."""
    found: dict[str, str] = {}
    for need, condition in service.needs.items():
        one = known.get(need)
        if one is None or need in reach.gone:
            draft.fate(service.name).notes.append(f"does not wait for {need}, which was left out")
            continue
        if set(one.service.profiles) - set(service.profiles) and need in service.optional:
            continue
        name = {Kind.HEAD: "head", Kind.WORKER: "workers", Kind.SERVE: "serve"}.get(one.kind, one.called)
        if one.kind is Kind.DATABASE:
            name = one.database
        if one.kind is Kind.WATCHING:
            continue
        if name == "serve" and "serve" not in draft.spec:
            continue
        found[name] = "done" if condition == DONE and one.kind in (Kind.OWN, Kind.FOREIGN) else "ready"
    waits = {one.database for one in _waited_for(service.name, known)}
    found |= {name: "ready" for name in carried.databases if name not in waits}
    return found if "done" in found.values() else list(found)


def _waited_for(name: str, known: Mapping[str, Known]) -> list[Known]:
    """All that comes before a service, by what the file says."""
    found: dict[str, Known] = {}
    open_ones = [name]
    while open_ones:
        here = known.get(open_ones.pop())
        for need in here.service.needs if here else ():
            if need in known and need not in found:
                found[need] = known[need]
                open_ones.append(need)
    return list(found.values())


def _restart(service: ComposeService, known: Mapping[str, Known]) -> str | None:
    """Compose starts nothing again where it is not told to; here a crash is mended, unless that is said."""
    if any(other.service.needs.get(service.name) == DONE for other in known.values()):
        return None
    if service.restart is None:
        return "on-failure"
    word = RESTARTS.get(service.restart, "on-failure")
    return None if word == "always" else word


def _tell(service: ComposeService, fate: Fate, in_containers: bool) -> None:
    """What it has not here that its container had: its own image, most of all."""
    base = repository(service.build.base or service.image)
    other, python = IN_IMAGE if in_containers else ON_MACHINE
    if base and not base.startswith(PYTHONS):
        fate.notes.append(f"was built on {base}: {other}")
    elif service.build.context:
        fate.notes.append(python)
    volumes = [mount.target for mount in service.mounts if not mount.is_folder]
    if volumes and not in_containers:
        fate.notes.append(f"volume {', '.join(volumes)}: in processes that is a path of this machine")
    replicas = str(service.deploy.get("replicas", service.deploy.get("scale", 1)))
    if replicas not in ("0", "1"):
        fate.notes.append(f"runs once here: {replicas} replicas in the Compose file")
    words = " ".join(service.words)
    if LONG_LOOP.search(words) or CRONS & {PurePosixPath(word).name for word in words.split()}:
        fate.notes.append(
            'it runs something now and then: `schedule: "0 3 * * *"` with the command alone does that here'
        )
    if service.unknown:
        fate.notes.append(f"not carried over: {', '.join(service.unknown)}")
