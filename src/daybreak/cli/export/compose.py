"""daybreak export compose."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from pathlib import Path

import click

from daybreak import api
from daybreak.cli.common import options
from daybreak.cli.common.output import print_json
from daybreak.cli.image import default_tag
from daybreak.docker import labels
from daybreak.docker.command import Client
from daybreak.errors import DaybreakError, PreflightError, UsageError
from daybreak.extras.doctor import engines
from daybreak.extras.export.compose import compose as compose_files
from daybreak.extras.export.environment import secret_values
from daybreak.extras.export.files import Export
from daybreak.extras.export.folder import Folder, Written
from daybreak.extras.export.target import RAY_USER, START_INTERVAL_SINCE, Target, site_inside
from daybreak.machine.affinity import find_affinity
from daybreak.machine.ray import find_ray
from daybreak.machine.survey import read_serve_config
from daybreak.programs.recipe.install import DEFAULT as DEFAULT_RAY
from daybreak.services.ray import serve as deployment
from daybreak.services.site import RayInstall
from daybreak.spec import LoadedSpec


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=True))
@options.spec
@click.option("--image", metavar="IMAGE", help="Of Ray and the application; daybreak/CLUSTER:latest if absent.")
@click.option("--engine", metavar="VERSION", help="Docker Engine that it is for; this machine's, or 25, if absent.")
@click.option("--force", is_flag=True, help="Overwrite files that are not, or no longer, as an export wrote them.")
@options.as_json
def compose(
    folder: str,
    app: str | None,
    name: str | None,
    file: str | None,
    port_offset: int | None,
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
    loaded = api.load(file, name=name, app=app, port_offset=port_offset)
    notes: list[str] = []
    target = _target(loaded, image, engine, notes)
    notes += deployment.notes(loaded.spec, site_inside(loaded.spec, target))
    export = compose_files(loaded.spec, target)
    there = Folder(Path(folder), RAY_USER if os.geteuid() == 0 else None)
    there.check(export, force=force)
    passwords = there.passwords(export.secrets)
    written = there.write(export, passwords, secret_values(loaded.spec, target, passwords))
    _show(Path(folder), export, written, notes, as_json)


def _target(loaded: LoadedSpec, image: str | None, engine: str | None, notes: list[str]) -> Target:
    """What the files are for; what a reader must know of it is added to the notes."""
    found = _engine() if engine is None else None
    config = read_serve_config(loaded.spec, loaded.base)
    tag = image or loaded.spec.docker.image or default_tag(loaded.spec.name)
    target = Target(
        image=tag,
        ray=_ray(loaded, tag, notes, asked=_engine() is not None),
        engine=_version(engine) if engine else found or START_INTERVAL_SINCE,
        user=_account(),
        local=tag == default_tag(loaded.spec.name),
        serve_config=config,
        affinity=find_affinity(loaded.spec, loaded.base, config),
        base=str(loaded.base),
    )
    if found and not target.start_interval:
        notes.append(
            f"Docker Engine {'.'.join(map(str, found))} looks at a starting container every "
            f"{loaded.spec.health.interval:g} s only; from 25 on it can look more often (--engine 25)"
        )
    return target


def _show(folder: Path, export: Export, written: Written, notes: list[str], as_json: bool) -> None:
    for text in export.warnings:
        print(f"warning: not in Compose: {text}", file=sys.stderr)
    for text in notes:
        print(f"note: {text}", file=sys.stderr)
    if as_json:
        print_json(
            {
                "folder": str(folder),
                "files": list(written.files),
                "kept": list(written.kept),
                "left": list(written.left),
                "warnings": list(export.warnings),
                "notes": notes,
            }
        )
        return
    for path in written.files:
        print(folder / path)
    print(f"next: docker compose -f {shlex.quote(str(folder / 'compose.yaml'))} up --wait", file=sys.stderr)


def _account() -> tuple[int, int]:
    """Who may read the secrets: the caller; what root writes is given to the images' account."""
    return RAY_USER if os.geteuid() == 0 else _numbers()


def _numbers() -> tuple[int, int]:
    """The caller's. With the images' user goes its group, whatever it is here."""
    return RAY_USER if os.geteuid() == RAY_USER[0] else (os.geteuid(), os.getegid())


def _engine() -> tuple[int, ...] | None:
    """The version of the engine of this machine; None where there is none that answers."""
    try:
        found = engines.find()
        return _version(str(found.info()["ServerVersion"])) if found else None
    except DaybreakError:
        return None


def _version(text: str) -> tuple[int, ...]:
    """The numbers that a version begins with. Raises UsageError where there are none."""
    numbers = re.match(r"\d+(\.\d+){0,2}", text)
    if not numbers:
        raise UsageError(f"--engine: {text} is no version such as 25 or 20.10")
    return tuple(int(number) for number in numbers[0].split("."))


def _ray(loaded: LoadedSpec, image: str, notes: list[str], *, asked: bool) -> RayInstall:
    """What the image has, by its label; where it is not here, the Ray beside daybreak, which it would be built with."""
    program = shutil.which("docker")
    if program and asked:
        try:
            written = (Client(program).inspect(image).get("Config") or {}).get("Labels")
            if found := labels.ray_of(written):
                return RayInstall(found["version"], found["python"], "", haproxy=str(found.get("haproxy", "")))
        except DaybreakError:
            pass
    try:
        ray = find_ray(loaded.spec.ray, loaded.base)
    except PreflightError:
        ray = RayInstall(DEFAULT_RAY, "", "")
    notes.append(f"there is no image {image} with daybreak's label here; the files are for one with Ray {ray.version}")
    return ray
