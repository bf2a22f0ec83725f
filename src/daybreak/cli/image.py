"""image: build an image of Ray and the application, and show what one weighs."""

from __future__ import annotations

import importlib.metadata
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from daybreak.cli.output import print_json, print_rich
from daybreak.errors import UsageError
from daybreak.images import client as docker
from daybreak.images.build import Built
from daybreak.images.build import build as build_image
from daybreak.images.choice import Choice, choose
from daybreak.images.context import Context
from daybreak.images.size import Weight, weigh
from daybreak.report.text import plural, seconds
from daybreak.spec import cluster_name, find_spec
from daybreak.spec.load import LoadedSpec

if TYPE_CHECKING:
    from rich.table import Table

PACKAGES = 20
MEGABYTE = 1_000_000


def build(
    name: str | None,
    file: str | None,
    ray_version: str | None = None,
    python: str | None = None,
    requirements: str | None = None,
    constraints: str | None = None,
    tag: str | None = None,
    base: str | None = None,
    runtime: str | None = None,
    as_json: bool = False,
) -> None:
    """Build the image of the spec's folder."""
    if file and not Path(file).is_file():
        raise UsageError(f"there is no file {file}")
    source = Path(file) if file else find_spec(Path.cwd())
    folder = source.absolute().parent if source else Path.cwd()
    cluster = name or cluster_name(folder, source)
    choice = choose(base=base, runtime=runtime, python=python, ray=ray_version, installed=_installed())
    context = Context.of(folder, requirements, constraints)
    client = docker.find()
    print(f"building on {choice.base}: {_what(choice)}, {folder}", file=sys.stderr)
    built = build_image(client, context, choice, tag=tag or default_tag(cluster), cluster=cluster, on_line=_progress)
    if as_json:
        print_json(asdict(built))
        return
    print(built.tag)
    print(_summary(built), file=sys.stderr)


def build_if_missing(spec: LoadedSpec) -> None:
    """Build the image of the spec's application, unless the spec names another one or it is there."""
    client = docker.find()
    tag = default_tag(spec.spec.name)
    if spec.spec.docker.image not in (None, tag) or client.has(tag):
        return
    build(spec.spec.name, str(spec.source) if spec.source else None)


def size(image: str | None, name: str | None, as_json: bool) -> None:
    """Show what an image weighs; that of the folder's application if none is named."""
    cluster = name or cluster_name(Path.cwd(), find_spec(Path.cwd()))
    found = weigh(docker.find(), image or default_tag(cluster))
    if as_json:
        print_json(found.to_json())
        return
    print(f"{found.image}: {_megabytes(found.bytes)} in {plural(len(found.layers), 'layer')}")
    print_rich(layer_table(found))
    if found.packages:
        print_rich(package_table(found))


def default_tag(cluster: str) -> str:
    """What an application's image is called."""
    return f"daybreak/{cluster}:latest"


def layer_table(found: Weight) -> Table:
    table = _table("layer", "made by")
    for layer in found.layers:
        text = layer.made_by if len(layer.made_by) <= 120 else layer.made_by[:117] + "..."
        table.add_row(_megabytes(layer.bytes), text)
    return table


def package_table(found: Weight) -> Table:
    table = _table("package", "name")
    for package in found.packages[:PACKAGES]:
        table.add_row(_megabytes(package.bytes), f"{package.name} {package.version}".strip())
    rest = found.packages[PACKAGES:]
    if rest:
        table.add_row(_megabytes(sum(package.bytes for package in rest)), f"{len(rest)} more")
    return table


def _table(first: str, second: str) -> Table:
    from rich.box import SIMPLE
    from rich.table import Table

    table = Table(box=SIMPLE)
    table.add_column(first, justify="right", no_wrap=True)
    table.add_column(second)
    return table


def _installed() -> str | None:
    """The Ray beside daybreak: what an application here is tried out with."""
    try:
        return importlib.metadata.version("ray")
    except importlib.metadata.PackageNotFoundError:
        return None


def _what(choice: Choice) -> str:
    return f"{f'Ray {choice.ray}' if choice.ray else 'Ray of the base'}, Python {choice.python}"


def _progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _summary(built: Built) -> str:
    counted = f"{plural(built.made, 'step')} made, {built.unchanged} unchanged"
    return f"Ray {built.ray['version']}, {_megabytes(built.bytes)}; {counted}, {seconds(built.took_s)}"


def _megabytes(count: int) -> str:
    """As `docker image ls` has them: millions of bytes."""
    return f"{count / MEGABYTE:,.1f} MB"
