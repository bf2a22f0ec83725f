"""daybreak schema."""

from __future__ import annotations

import click

from daybreak.cli.common.output import print_json


@click.command()
def schema() -> None:
    """Print the JSON schema of daybreak.yaml, for editors."""
    from daybreak.spec.schema import json_schema

    print_json(json_schema())
