"""What exports have in common: what they are given, and how they tell what was written."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from daybreak.cli.common.output import print_json
from daybreak.docker import labels
from daybreak.docker.docker_cli import Client
from daybreak.errors import DaybreakError, PreflightError
from daybreak.extras.doctor import engines
from daybreak.extras.export.files import Export
from daybreak.extras.export.folder import Written
from daybreak.extras.export.target import RAY_USER
from daybreak.machine.ray import find_ray
from daybreak.programs.recipe.install import DEFAULT as DEFAULT_RAY
from daybreak.services.databases.connections import given_passwords
from daybreak.services.site import RayInstall
from daybreak.spec import LoadedSpec
from daybreak.spec.password import read_password


def given_of(loaded: LoadedSpec) -> dict[str, str]:
    """The passwords that files of the user's hold, by the secret's name."""
    return {name: read_password(loaded.base / file) for name, file in given_passwords(loaded.spec).items()}


def owner() -> tuple[int, int] | None:
    """Whom the secrets are given to: what root writes is for the images' account."""
    return RAY_USER if os.geteuid() == 0 else None


def engine_version() -> str | None:
    """That of this machine's engine; None where there is none that answers."""
    try:
        found = engines.find()
        return str(found.info()["ServerVersion"]) if found else None
    except DaybreakError:
        return None


def ray_of(loaded: LoadedSpec, image: str, notes: list[str], *, asked: bool) -> RayInstall:
    """What the image has, by its label; where it is not here, the Ray beside daybreak, which it would be built with."""
    program = shutil.which("docker")
    if program and asked:
        try:
            written = (Client(program).inspect(image).get("Config") or {}).get("Labels")
            if found := labels.ray_of(written):
                haproxy, tokens = str(found.get("haproxy", "")), loaded.spec.ray.auth
                return RayInstall(found["version"], found["python"], "", haproxy=haproxy, tokens=tokens)
        except DaybreakError:
            pass
    ray = ray_beside(loaded, [])
    notes.append(f"there is no image {image} with daybreak's label here; the files are for one with Ray {ray.version}")
    return ray


def ray_beside(loaded: LoadedSpec, notes: list[str]) -> RayInstall:
    """The Ray that the spec means here; where there is none, that of the images."""
    try:
        return replace(find_ray(loaded.spec.ray, loaded.base), tokens=loaded.spec.ray.auth)
    except PreflightError:
        notes.append(f"there is no Ray here; the files are for Ray {DEFAULT_RAY}")
        return RayInstall(DEFAULT_RAY, "", "", tokens=loaded.spec.ray.auth)


def show(
    folder: Path, export: Export, written: Written, notes: Sequence[str], *, where: str, then: str, as_json: bool
) -> None:
    """Tell what was written, and what could not be said `where` it will run; `then` is the command that comes next."""
    for text in export.warnings:
        print(f"warning: not in {where}: {text}", file=sys.stderr)
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
                "notes": list(notes),
            }
        )
        return
    for path in written.files:
        print(folder / path)
    print(f"next: {then}", file=sys.stderr)
