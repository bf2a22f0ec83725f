"""daybreak image size."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from daybreak.cli.common import options
from daybreak.cli.common.output import print_json, print_rich
from daybreak.cli.image import default_tag, megabytes
from daybreak.docker import docker_cli as docker
from daybreak.docker.images.size import Weight, weigh
from daybreak.show.text import plural
from daybreak.spec.find import cluster_here

if TYPE_CHECKING:
    from rich.table import Table

PACKAGES = 20


@click.command()
@click.argument("image", required=False)
@options.name
@options.as_json
def size(image: str | None, name: str | None, as_json: bool) -> None:
    """Show what each layer and the largest packages of IMAGE weigh; of the application's image if absent."""
    cluster = name or cluster_here(Path.cwd())
    found = weigh(docker.find(), image or default_tag(cluster))
    if as_json:
        print_json(found.to_json())
        return
    print(f"{found.image}: {megabytes(found.bytes)} in {plural(len(found.layers), 'layer')}")
    print_rich(layer_table(found))
    if found.packages:
        print_rich(package_table(found))


def layer_table(found: Weight) -> Table:
    table = _table("layer", "made by")
    for layer in found.layers:
        text = layer.made_by if len(layer.made_by) <= 120 else layer.made_by[:117] + "..."
        table.add_row(megabytes(layer.bytes), text)
    return table


def package_table(found: Weight) -> Table:
    table = _table("package", "name")
    for package in found.packages[:PACKAGES]:
        table.add_row(megabytes(package.bytes), f"{package.name} {package.version}".strip())
    rest = found.packages[PACKAGES:]
    if rest:
        table.add_row(megabytes(sum(package.bytes for package in rest)), f"{len(rest)} more")
    return table


def _table(first: str, second: str) -> Table:
    from rich.box import SIMPLE
    from rich.table import Table

    table = Table(box=SIMPLE)
    table.add_column(first, justify="right", no_wrap=True)
    table.add_column(second)
    return table
