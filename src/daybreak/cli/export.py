"""export: files that start the same cluster with other tools."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from pathlib import Path

from daybreak import api
from daybreak.cli.exported import Folder, Written
from daybreak.cli.image import default_tag
from daybreak.cli.output import print_json
from daybreak.doctor import engines
from daybreak.errors import DaybreakError, PreflightError, UsageError
from daybreak.export.compose import compose as compose_files
from daybreak.export.environment import secret_values
from daybreak.export.files import Export
from daybreak.export.target import RAY_USER, START_INTERVAL_SINCE, Target, place
from daybreak.images import label
from daybreak.images.client import Client
from daybreak.images.recipe.install import DEFAULT as DEFAULT_RAY
from daybreak.services import serve as deployment
from daybreak.services.site import RayInstall
from daybreak.spec import LoadedSpec
from daybreak.survey.affinity import find_affinity
from daybreak.survey.ray import find_ray
from daybreak.survey.site import read_serve_config


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
    """Write the files."""
    loaded = api.load(file, name=name, app=app, port_offset=port_offset)
    found = _engine() if engine is None else None
    notes: list[str] = []
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
    notes += deployment.notes(loaded.spec, place(loaded.spec, target))
    export = compose_files(loaded.spec, target)
    there = Folder(Path(folder), RAY_USER if os.geteuid() == 0 else None)
    there.check(export, force=force)
    passwords = there.passwords(export.secrets)
    written = there.write(export, passwords, secret_values(loaded.spec, passwords))
    _show(Path(folder), export, written, notes, as_json)


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
            labels = (Client(program).inspect(image).get("Config") or {}).get("Labels")
            if found := label.ray_of(labels):
                return RayInstall(found["version"], found["python"], "", haproxy=str(found.get("haproxy", "")))
        except DaybreakError:
            pass
    try:
        ray = find_ray(loaded.spec.ray, loaded.base)
    except PreflightError:
        ray = RayInstall(DEFAULT_RAY, "", "")
    notes.append(f"there is no image {image} with daybreak's label here; the files are for one with Ray {ray.version}")
    return ray
