"""daybreak init."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from daybreak.cli.common import options


@click.command()
@click.argument("folder", default=".", type=click.Path())
@options.name
@click.option("--force", is_flag=True, help="Overwrite existing files.")
def init(folder: str, name: str | None, force: bool) -> None:
    """Write a commented daybreak.yaml and an example application into FOLDER."""
    from daybreak.spec.init import write_starter

    for path in write_starter(Path(folder), name=name, force=force):
        print(path)
    print("next: daybreak up", file=sys.stderr)
