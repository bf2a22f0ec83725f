"""daybreak init."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from daybreak.cli.common import options
from daybreak.cli.common.output import print_json
from daybreak.errors import UsageError


@click.command()
@click.argument("folder", default=".", type=click.Path())
@options.name
@click.option("--force", is_flag=True, help="Overwrite existing files; not with --from.")
@click.option(
    "--from",
    "source",
    type=click.Path(exists=True),
    metavar="FILE",
    help="Of Compose, or of KubeRay: write the same as a spec.",
)
@click.option(
    "--backend",
    type=click.Choice(["process", "docker"]),
    default="process",
    show_default=True,
    help="With --from: as processes, or in containers, where images of others can run, too.",
)
@click.option("--dry-run", is_flag=True, help="With --from: print the spec, and write nothing.")
@options.as_json
def init(
    folder: str, name: str | None, force: bool, source: str | None, backend: str, dry_run: bool, as_json: bool
) -> None:
    """Write a commented daybreak.yaml and an example application into FOLDER.

    With --from it reads a Docker Compose project, or a RayService, RayCluster or RayJob of KubeRay, instead:
    daybreak.yaml is written beside the file, and what became of each service is told. An existing daybreak.yaml is
    never overwritten then.

    \b
    Examples:
      daybreak init
      daybreak init --from compose.yaml --dry-run
      daybreak init --from docker-compose.yml --backend docker
      daybreak init --from rayservice.yaml
    """
    if source is not None:
        _bring(folder, Path(source), name, backend, force=force, dry_run=dry_run, as_json=as_json)
        return
    if dry_run or as_json or backend != "process":
        raise UsageError("--dry-run, --json and --backend belong to --from; nothing was written")
    from daybreak.spec.init import write_starter

    for path in write_starter(Path(folder), name=name, force=force):
        print(path)
    print("next: daybreak up", file=sys.stderr)


def _bring(
    folder: str, source: Path, name: str | None, backend: str, *, force: bool, dry_run: bool, as_json: bool
) -> None:
    from daybreak.cli.common.brought import told
    from daybreak.extras.init_from.bring import bring, compose_file, write
    from daybreak.spec.init import write_schema

    if force:
        raise UsageError("--from overwrites nothing; nothing was written", hint="move the daybreak.yaml away")
    file = compose_file(source)
    if folder != "." and Path(folder).resolve() != file.parent.resolve():
        raise UsageError(
            f"the spec belongs beside {file}, whose paths count from there; nothing was written",
            hint=f"leave {folder} out",
        )
    brought = bring(source, name=name, backend=backend)
    paths = [] if dry_run else [*write(brought), write_schema(file.parent)]
    if as_json:
        print_json({**brought.to_json(), "written": [str(path) for path in paths]})
        return
    print(brought.text if dry_run else "\n".join(str(path) for path in paths), end="" if dry_run else "\n")
    print("\n".join(told(brought)), file=sys.stderr)
    if not dry_run:
        first = "daybreak image build" if backend == "docker" else "daybreak plan"
        print(f"next: {first}, then daybreak up", file=sys.stderr)
