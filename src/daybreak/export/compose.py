"""A compose file and what it needs, from a spec. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from daybreak.errors import Problem, SpecError
from daybreak.export import data, nodes, observe, own
from daybreak.export.files import Export, File
from daybreak.export.left_out import left_out
from daybreak.export.parts import LABELS, Part, escaped
from daybreak.export.target import Target
from daybreak.export.text import document
from daybreak.services.base import Tier
from daybreak.services.connections import MYSQL, NEO4J, POSTGRES, REDIS
from daybreak.services.monitoring import GRAFANA
from daybreak.services.ray import HEAD
from daybreak.spec.model import Spec

COMPOSE_FILE = "compose.yaml"
PROGRAMS = Path(__file__).parent / "programs"
INSIDE = ("enter.sh", "node.py", "probe.py")
RAYSIDE = Path(__file__).parent.parent / "rayside"
# The program that deploys, and what it imports.
DEPLOYING = ("asks", "deploy", "diverted", "frames", "loading", "packing", "reasons", "remembered", "shortage")
DEPLOY = tuple(RAYSIDE / f"{name}.py" for name in DEPLOYING)
HEADER = """\
The cluster {name}, written by `daybreak export compose`. Needs Docker Compose 2.20 or newer{engine}.

  docker compose up --wait                     start everything, and wait until the applications answer
  docker compose --profile app restart         restart Ray and the applications; databases stay up
  docker compose up --wait --scale worker=5    change the number of workers
  docker compose down                          stop everything; -v also deletes the databases' data

What a plain `docker compose up` starts is in .env. What you change here is yours: another export asks before it
overwrites. Better, change what must differ in a compose.override.yaml."""
ENV_FILE = """\
# Written by `daybreak export compose`. The tiers that a plain `docker compose up` starts.
COMPOSE_PROFILES={profiles}
"""
IGNORED = "# Written by `daybreak export compose`.\n/secrets/\n"


def compose(spec: Spec, target: Target) -> Export:
    """Everything for `docker compose up --wait`. Raises SpecError for a database or a setting that cannot be."""
    _require_known(spec)
    found = _files(spec, target)
    parts = [_stamped(part, found) for part in _parts(spec, target)]
    secrets = sorted({name for part in parts for name in part.body.get("secrets", ())})
    used = {str(mount).partition(":")[0] for part in parts for mount in part.body.get("volumes", ())}
    rest = {
        "networks": {"cluster": {"driver": "bridge"}},
        "volumes": {name: {} for name in sorted(used) if not name.startswith((".", "/"))},
        "secrets": {name: {"file": f"./secrets/{name}"} for name in secrets},
    }
    engine = " and Docker Engine 25 or newer" if target.start_interval else ""
    text = document(HEADER.format(name=spec.name, engine=engine), spec.name, parts, rest)
    files = [File(COMPOSE_FILE, text), File(".env", _env(parts)), File(".gitignore", IGNORED), *found]
    return Export(tuple(files), passwords(spec, target), tuple(left_out(spec, target)))


def _require_known(spec: Spec) -> None:
    """Raise SpecError for the databases that only daybreak's own backend knows how to set up."""
    unknown = [name for name in (MYSQL, NEO4J) if getattr(spec.databases, name) is not None]
    if unknown:
        hint = "leave it out of the spec, and write it into a compose.override.yaml"
        raise SpecError([Problem("cannot be exported", key=f"databases.{name}", hint=hint) for name in unknown])


def passwords(spec: Spec, target: Target) -> tuple[str, ...]:
    """The secrets that are made up, by name; those made from them are `environment.secret_values`."""
    wanted = {
        "ray-token": target.ray.has_token_auth,
        POSTGRES: spec.databases.postgres is not None,
        REDIS: spec.databases.redis is not None,
        GRAFANA: spec.prometheus.enabled and spec.grafana.enabled,
    }
    return tuple(name for name, there in wanted.items() if there)


def _parts(spec: Spec, target: Target) -> list[Part]:
    tiers: dict[str, str] = {POSTGRES: Tier.DATA, REDIS: Tier.DATA, HEAD: Tier.APP, nodes.WORKER: Tier.APP}
    tiers |= {name: wanted.tier for name, wanted in spec.services.items()}
    found = [data.postgres(spec, target), data.redis(spec, target)]
    found += [nodes.head(spec, target, tiers), nodes.workers(spec, target)]
    found += [own.service(spec, target, name, wanted, tiers) for name, wanted in spec.services.items()]
    found += observe.parts(spec, target)
    return [part for part in found if part]


def _files(spec: Spec, target: Target) -> list[File]:
    texts = {path.name: path.read_text(encoding="utf-8") for path in (*(PROGRAMS / name for name in INSIDE), *DEPLOY)}
    found = [File(f"config/{name}", text) for name, text in texts.items()]
    return [*found, *nodes.files(spec, target), *data.redis_file(spec), *observe.files(spec, target)]


def _stamped(part: Part, files: list[File]) -> Part:
    """With a label that changes with the files that the container sees: Compose itself looks at names alone."""
    seen = [str(mount).split(":")[0].removeprefix("./") for mount in part.body.get("volumes", ())]
    shown = [file for file in files if any(file.path == path or file.path.startswith(f"{path}/") for path in seen)]
    body = dict(part.body)
    if shown:
        digest = hashlib.sha256("\0".join(f"{file.path}\0{file.text}" for file in shown).encode()).hexdigest()
        body["labels"] = {**body["labels"], f"{LABELS}.files": digest[:12]}
    # The account is the one value that is meant to hold a variable.
    kept = {key: body[key] for key in ("user",) if key in body}
    return replace(part, body={**escaped(body), **kept})


def _env(parts: list[Part]) -> str:
    tiers = dict.fromkeys(tier for part in parts for tier in part.body["profiles"] if tier != Tier.OBSERVE)
    return ENV_FILE.format(profiles=",".join(map(str, tiers)))
