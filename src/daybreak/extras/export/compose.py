"""A compose file and what it needs, from a spec. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from daybreak.docker import labels
from daybreak.extras.export import data, nodes, observe, user_services
from daybreak.extras.export.conditions import of_head
from daybreak.extras.export.files import Export, File
from daybreak.extras.export.handed import sources
from daybreak.extras.export.left_out import left_out
from daybreak.extras.export.parts import Part, escaped
from daybreak.extras.export.target import Target
from daybreak.extras.export.text import document
from daybreak.names import HEAD
from daybreak.services.container_site import PACKAGE
from daybreak.services.databases.connections import given_passwords, passwords_of, wanted_databases
from daybreak.services.service import Tier
from daybreak.services.watching.processes import GRAFANA
from daybreak.spec.groups import by_group
from daybreak.spec.model import Spec

COMPOSE_FILE = "compose.yaml"
SHELF = PACKAGE / "programs"
PROGRAMS = SHELF / "compose"
ENTER = "enter.sh"
# What starts a node, what deploys, and what asks whether a service is ready; they import what is around them.
COPIED = ("common/*.py", "deploy/*.py", "node/*.py", "recipe/health.py")
HEADER = """\
The cluster {name}, written by `daybreak export compose`. Needs Docker Compose 2.20 or newer{engine}.

  docker compose up --wait                     start everything, and wait until the applications answer
  docker compose --profile app restart         restart Ray and the applications; databases stay up
  docker compose up --wait --scale {scaled:<11} change the number of workers
  docker compose down                          stop everything; -v also deletes the databases' data

What a plain `docker compose up` starts is in .env. What you change here is yours: another export asks before it
overwrites. Better, change what must differ in a compose.override.yaml."""
ENV_FILE = """\
# Written by `daybreak export compose`. The tiers that a plain `docker compose up` starts.
COMPOSE_PROFILES={profiles}
"""
IGNORED = "# Written by `daybreak export compose`.\n/secrets/\n"


def compose(spec: Spec, target: Target) -> Export:
    """Everything for `docker compose up --wait`. Raises SpecError for a setting that cannot be."""
    found = _files(spec, target)
    parts = [_stamped(part, found) for part in _parts(spec, target)]
    secrets = sorted({_secret_of(entry) for part in parts for entry in part.body.get("secrets", ())})
    used = {str(mount).partition(":")[0] for part in parts for mount in part.body.get("volumes", ())}
    rest = {
        "networks": {"cluster": {"driver": "bridge"}},
        "volumes": {name: {} for name in sorted(used) if not name.startswith((".", "/"))},
        "secrets": {name: {"file": f"./secrets/{name}"} for name in secrets} | escaped(sources(spec, target)),
    }
    scaled = f"{next(iter(by_group(spec.workers)))}=5"
    engine = " and Docker Engine 25 or newer" if target.start_interval else ""
    text = document(
        HEADER.format(name=spec.name, engine=engine, scaled=scaled),
        spec.name,
        parts,
        rest,
    )
    files = [File(COMPOSE_FILE, text), File(".env", _env(parts)), File(".gitignore", IGNORED), *found]
    return Export(tuple(files), passwords(spec, target), tuple(left_out(spec, target)))


def passwords(spec: Spec, target: Target) -> tuple[str, ...]:
    """The secrets that are made up, by name; those made from them are `environment.secret_values`."""
    wanted = {
        "ray-token": target.ray.has_token_auth,
        **dict.fromkeys(passwords_of(spec, containers=True), True),
        GRAFANA: spec.prometheus.enabled and spec.grafana.enabled,
    }
    given = given_passwords(spec)
    return tuple(name for name, there in wanted.items() if there and name not in given)


def _parts(spec: Spec, target: Target) -> list[Part]:
    tiers: dict[str, str] = dict.fromkeys(wanted_databases(spec), Tier.DATA)
    tiers |= dict.fromkeys((HEAD, *by_group(spec.workers)), Tier.APP)
    tiers |= {name: wanted.tier for name, wanted in spec.services.items()}
    found = data.parts(spec, target)
    found += [nodes.head(spec, target, tiers, of_head(spec)), *nodes.workers(spec, target)]
    found += [
        user_services.service(spec, target, name, wanted, tiers)
        for name, wanted in spec.services.items()
        if not wanted.schedule
    ]
    return [*found, *observe.parts(spec, target)]


def _secret_of(entry: str | Mapping[str, str]) -> str:
    """With a path of its own, or without."""
    return entry if isinstance(entry, str) else entry["source"]


def _files(spec: Spec, target: Target) -> list[File]:
    found = [_copied(PROGRAMS / ENTER, ENTER)]
    programs = sorted(path for pattern in COPIED for path in SHELF.glob(pattern))
    found += [_copied(path, f"programs/{path.relative_to(SHELF)}") for path in programs]
    return [*found, *nodes.files(spec, target), *data.files(spec, target), *observe.files(spec, target)]


def _copied(path: Path, name: str) -> File:
    return File(f"config/{name}", path.read_text(encoding="utf-8"))


def _stamped(part: Part, files: list[File]) -> Part:
    """With a label that changes with the files that the container sees: Compose itself looks at names alone."""
    seen = [str(mount).split(":")[0].removeprefix("./") for mount in part.body.get("volumes", ())]
    shown = [file for file in files if any(file.path == path or file.path.startswith(f"{path}/") for path in seen)]
    body = dict(part.body)
    if shown:
        digest = hashlib.sha256("\0".join(f"{file.path}\0{file.text}" for file in shown).encode()).hexdigest()
        body["labels"] = {**body["labels"], labels.EXPORTED_FILES: digest[:12]}
    # The account is the one value that is meant to hold a variable.
    kept = {key: body[key] for key in ("user",) if key in body}
    return replace(part, body={**escaped(body), **kept})


def _env(parts: list[Part]) -> str:
    tiers = dict.fromkeys(tier for part in parts for tier in part.body["profiles"] if tier != Tier.OBSERVE)
    return ENV_FILE.format(profiles=",".join(map(str, tiers)))
