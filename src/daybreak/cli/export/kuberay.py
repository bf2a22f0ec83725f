"""daybreak export kuberay."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click

from daybreak.cli.common import options
from daybreak.cli.common.given_spec import load
from daybreak.cli.export.shared import engine_version, given_of, ray_of, show
from daybreak.cli.image import default_tag
from daybreak.errors import UsageError
from daybreak.extras.export.folder import Folder
from daybreak.extras.export.kuberay.manifests import EXTERNAL, Wishes, secret_values
from daybreak.extras.export.kuberay.manifests import kuberay as manifests
from daybreak.extras.export.target import Target
from daybreak.machine.survey import read_serve_config
from daybreak.services.databases.connections import wanted_databases
from daybreak.spec import LoadedSpec

SIZE = re.compile(r"[1-9]\d*(\.\d+)?(Ki|Mi|Gi|Ti|k|M|G|T)?")


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=True))
@options.spec
@options.profiles
@click.option("--image", metavar="IMAGE", help="Of Ray and the application, as the machines pull it.")
@click.option(
    "--job", metavar="COMMAND", default="", help="Write a RayJob that runs COMMAND instead of the applications."
)
@click.option(
    "--external",
    type=click.Choice(sorted(EXTERNAL)),
    multiple=True,
    help="A database that is elsewhere; its address is read from DIR/secrets.",
)
@click.option(
    "--gateway-class",
    metavar="CLASS",
    default="",
    help="Move requests to a changed cluster step by step, by a Gateway.",
)
@click.option("--storage", metavar="SIZE", default=Wishes.storage, show_default=True, help="Of each volume.")
@click.option("--force", is_flag=True, help="Overwrite files that are not, or no longer, as an export wrote them.")
@options.as_json
def kuberay(
    folder: str,
    app: str | None,
    name: str | None,
    file: options.Words,
    port_offset: int | None,
    profiles: options.Words,
    image: str | None,
    job: str,
    external: tuple[str, ...],
    gateway_class: str,
    storage: str,
    force: bool,
    as_json: bool,
) -> None:
    """Write manifests for KubeRay, and what stands beside Ray, into DIR.

    Applications become a RayService, a cluster without them a RayCluster. Passwords are generated into
    DIR/secrets, and kept by a second export.

    \b
    Examples:
      daybreak export kuberay deploy --image registry.example.com/shop:1.4
      kubectl apply -k deploy
      daybreak export kuberay nightly --image registry.example.com/shop:1.4 --job "python report.py"
    """
    loaded = load(file, name=name, app=app, port_offset=port_offset, profiles=profiles)
    wishes = Wishes(job, frozenset(external), gateway_class, storage)
    _check(loaded, wishes)
    notes: list[str] = []
    target = _target(loaded, image, notes)
    export = manifests(loaded.spec, target, wishes)
    there = Folder(Path(folder), None, ending="")
    there.check(export, force=force)
    passwords, given = there.passwords(export.secrets), given_of(loaded)
    made = secret_values(loaded.spec, target, passwords | given, external)
    written = there.write(export, passwords, made | given)
    then = f"docker push {shlex.quote(target.image)} && kubectl apply -k {shlex.quote(folder)}"
    show(Path(folder), export, written, notes, where="Kubernetes", then=then, as_json=as_json)


def _check(loaded: LoadedSpec, wishes: Wishes) -> None:
    """All at once. Raises UsageError."""
    problems = [
        f"--external {name}: the spec has no such database"
        for name in sorted(wishes.external)
        if name not in wanted_databases(loaded.spec)
    ]
    if not SIZE.fullmatch(wishes.storage):
        problems.append(f"--storage {wishes.storage}: no size such as 10Gi")
    if wishes.gateway_class and (wishes.job or not loaded.spec.serve.wanted):
        problems.append("--gateway-class: only requests of applications are moved, and none is exported")
    if problems:
        raise UsageError("; ".join(problems))


def _target(loaded: LoadedSpec, image: str | None, notes: list[str]) -> Target:
    spec = loaded.spec
    tag = image or spec.docker.image or default_tag(spec.name)
    if tag == default_tag(spec.name):
        notes.append(f"{tag} is in no registry; give the image that machines can pull: --image REGISTRY/NAME:TAG")
    config = read_serve_config(spec, loaded.base)
    ray = ray_of(loaded, tag, notes, asked=engine_version() is not None)
    return Target(
        image=tag,
        ray=ray,
        local=False,
        serve_config=config,
        base=str(loaded.base),
        prefix=f"{spec.name}-",
        head=f"{spec.name}-head-svc",
    )
