"""daybreak image build."""

from __future__ import annotations

import importlib.metadata
import sys
from dataclasses import asdict
from pathlib import Path

import click

from daybreak.cli.common import options
from daybreak.cli.common.given_spec import load
from daybreak.cli.common.output import print_json
from daybreak.cli.image import default_tag, megabytes
from daybreak.docker import docker_cli as docker
from daybreak.docker.images.build import Built
from daybreak.docker.images.build import build as build_image
from daybreak.docker.images.choice import Choice, choose
from daybreak.docker.images.context import Context
from daybreak.errors import UsageError
from daybreak.show.text import harmless, plural, seconds
from daybreak.spec.find import cluster_here, spec_files
from daybreak.spec.handing import handed_files
from daybreak.spec.load import LoadedSpec


@click.command()
@options.name
@options.file
@click.option("--ray-version", metavar="VERSION", help="Ray; that beside daybreak, or the base's, if absent.")
@click.option("--python", metavar="X.Y", help="Python; 3.11, or the base's, if absent.")
@click.option("--requirements", type=click.Path(), metavar="FILE", help="Packages; requirements.txt if absent.")
@click.option("--constraints", type=click.Path(), metavar="FILE", help="Versions, as pip's --constraint takes them.")
@click.option("-t", "--tag", metavar="TAG", help="The image's name; daybreak/CLUSTER:latest if absent.")
@click.option("--base", metavar="IMAGE", help="Build on it: a slim Python image, or rayproject/ray:VERSION-pyXY.")
@click.option("--runtime", metavar="IMAGE", help="What the result stands on; a slim Python image if absent.")
@options.as_json
def build(
    name: str | None,
    file: options.Words,
    ray_version: str | None,
    python: str | None,
    requirements: str | None,
    constraints: str | None,
    tag: str | None,
    base: str | None,
    runtime: str | None,
    as_json: bool,
) -> None:
    """Build an image of Ray and the application in the spec's folder.

    \b
    Examples:
      daybreak image build
      daybreak image build --ray-version 2.60.0 --tag shop:1.4
      daybreak image build --base rayproject/ray:2.20.0-py310
    """
    folder, cluster = _project(name, file)
    choice = choose(base=base, runtime=runtime, python=python, ray=ray_version, installed=_installed())
    context = Context.of(folder, requirements, constraints).without(_secrets(name, file))
    built = _build(folder, cluster, choice, context, tag or default_tag(cluster))
    if as_json:
        print_json(asdict(built))
    else:
        _show(built)


def build_if_missing(spec: LoadedSpec) -> None:
    """Build the image of the spec's application, unless the spec names another one or it is there."""
    tag = default_tag(spec.spec.name)
    if spec.spec.docker.image not in (None, tag) or docker.find().has(tag):
        return
    folder, cluster = _project(spec.spec.name, tuple(str(file) for file in spec.files) or None)
    choice = choose(base=None, runtime=None, python=None, ray=None, installed=_installed())
    context = Context.of(folder).without(handed_files(spec.spec, spec.base))
    _show(_build(folder, cluster, choice, context, tag))


def _secrets(name: str | None, file: options.Words) -> list[Path]:
    """The files with secrets and variables that the spec names. Raises SpecError where it is wrong: what is a secret
    would not be known."""
    if not spec_files(file, Path.cwd()):
        return []
    loaded = load(file, name=name)
    return handed_files(loaded.spec, loaded.base)


def _project(name: str | None, file: options.Words) -> tuple[Path, str]:
    """The application's folder, and the cluster's name. Raises UsageError where the spec's file is not there."""
    source = spec_files(file, Path.cwd())
    for missing in (one for one in source if not one.is_file()):
        raise UsageError(f"there is no file {missing}")
    return source[0].absolute().parent if source else Path.cwd(), name or cluster_here(Path.cwd(), file)


def _build(folder: Path, cluster: str, choice: Choice, context: Context, tag: str) -> Built:
    client = docker.find()
    print(f"building on {choice.base}: {_what(choice)}, {folder}", file=sys.stderr)
    return build_image(client, context, choice, tag=tag, cluster=cluster, on_line=_progress)


def _show(built: Built) -> None:
    print(built.tag)
    print(_summary(built), file=sys.stderr)


def _installed() -> str | None:
    """The Ray beside daybreak: what an application here is tried out with."""
    try:
        return importlib.metadata.version("ray")
    except importlib.metadata.PackageNotFoundError:
        return None


def _what(choice: Choice) -> str:
    return f"{f'Ray {choice.ray}' if choice.ray else 'Ray of the base'}, Python {choice.python}"


def _progress(line: str) -> None:
    print(harmless(line), file=sys.stderr, flush=True)


def _summary(built: Built) -> str:
    counted = f"{plural(built.made, 'step')} made, {built.unchanged} unchanged"
    return f"Ray {built.ray['version']}, {megabytes(built.bytes)}; {counted}, {seconds(built.took_s)}"
