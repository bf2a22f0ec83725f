"""daybreak export compose."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click

from daybreak.cli.common import options
from daybreak.cli.common.given_spec import load
from daybreak.cli.export.shared import engine_version, given_of, owner, ray_of, show
from daybreak.cli.image import default_tag
from daybreak.errors import UsageError
from daybreak.extras.export.compose import compose as compose_files
from daybreak.extras.export.environment import secret_values
from daybreak.extras.export.folder import Folder
from daybreak.extras.export.target import RAY_USER, START_INTERVAL_SINCE, Target, site_inside
from daybreak.machine.affinity import find_affinity
from daybreak.machine.brought import find_scripts
from daybreak.machine.survey import read_serve_config
from daybreak.services.ray import serve as deployment
from daybreak.spec import LoadedSpec

OPEN = (
    "WARNING: ray.auth is false: whoever reaches the published ports of head, or its network, runs code in the "
    "containers without a token"
)


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=True))
@options.spec
@options.profiles
@click.option("--image", metavar="IMAGE", help="Of Ray and the application; daybreak/CLUSTER:latest if absent.")
@click.option("--engine", metavar="VERSION", help="Docker Engine that it is for; this machine's, or 25, if absent.")
@click.option("--force", is_flag=True, help="Overwrite files that are not, or no longer, as an export wrote them.")
@options.as_json
def compose(
    folder: str,
    app: str | None,
    name: str | None,
    file: options.Words,
    port_offset: int | None,
    profiles: options.Words,
    image: str | None,
    engine: str | None,
    force: bool,
    as_json: bool,
) -> None:
    """Write a compose.yaml, and what it needs, into DIR.

    Passwords are generated into DIR/secrets, and kept by a second export.

    \b
    Examples:
      daybreak image build && daybreak export compose deploy
      cd deploy && docker compose up --wait
      daybreak export compose deploy --image registry.example.com/shop:1.4
    """
    loaded = load(file, name=name, app=app, port_offset=port_offset, profiles=profiles)
    notes: list[str] = []
    target = _target(loaded, image, engine, notes)
    notes += deployment.notes(loaded.spec, site_inside(loaded.spec, target))
    if not loaded.spec.ray.auth:
        notes.append(OPEN)
    every = load(file, name=name, app=app, port_offset=port_offset, profiles=("*",))
    notes += _left_by_profiles(loaded, every)
    export = compose_files(loaded.spec, target)
    there = Folder(Path(folder), owner())
    there.check(export, force=force)
    passwords, given = there.passwords(export.secrets), given_of(loaded)
    written = there.write(export, passwords, secret_values(loaded.spec, target, passwords | given) | given)
    then = f"docker compose -f {shlex.quote(str(Path(folder) / 'compose.yaml'))} up --wait"
    show(Path(folder), export, written, notes, where="Compose", then=then, as_json=as_json)


def _left_by_profiles(loaded: LoadedSpec, every: LoadedSpec) -> Iterator[str]:
    for name, service in every.spec.services.items():
        if name not in loaded.spec.services:
            yield f"services.{name} is not in it: that takes --profile {' or '.join(service.profiles)}"


def _target(loaded: LoadedSpec, image: str | None, engine: str | None, notes: list[str]) -> Target:
    """What the files are for; what a reader must know of it is added to the notes."""
    found = _engine() if engine is None else None
    config = read_serve_config(loaded.spec, loaded.base)
    tag = image or loaded.spec.docker.image or default_tag(loaded.spec.name)
    target = Target(
        image=tag,
        ray=ray_of(loaded, tag, notes, asked=_engine() is not None),
        engine=_version(engine) if engine else found or START_INTERVAL_SINCE,
        user=_account(),
        local=tag == default_tag(loaded.spec.name),
        serve_config=config,
        affinity=find_affinity(loaded.spec, loaded.base, config),
        base=str(loaded.base),
        scripts=find_scripts(loaded.spec, loaded.base),
    )
    if found and not target.start_interval:
        notes.append(
            f"Docker Engine {'.'.join(map(str, found))} looks at a starting container every "
            f"{loaded.spec.health.interval:g} s only; from 25 on it can look more often (--engine 25)"
        )
    return target


def _account() -> tuple[int, int]:
    """Who may read the secrets: the caller; what root writes is given to the images' account."""
    return RAY_USER if os.geteuid() == 0 else _numbers()


def _numbers() -> tuple[int, int]:
    """The caller's. With the images' user goes its group, whatever it is here."""
    return RAY_USER if os.geteuid() == RAY_USER[0] else (os.geteuid(), os.getegid())


def _engine() -> tuple[int, ...] | None:
    """The version of the engine of this machine; None where there is none that answers."""
    found = engine_version()
    try:
        return _version(found) if found else None
    except UsageError:
        return None


def _version(text: str) -> tuple[int, ...]:
    """The numbers that a version begins with. Raises UsageError where there are none."""
    numbers = re.match(r"\d+(\.\d+){0,2}", text)
    if not numbers:
        raise UsageError(f"--engine: {text} is no version such as 25 or 20.10")
    return tuple(int(number) for number in numbers[0].split("."))
