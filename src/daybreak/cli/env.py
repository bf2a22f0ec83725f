"""daybreak env."""

from __future__ import annotations

import os
import shlex

import click

from daybreak import api
from daybreak.cli.common import options
from daybreak.cli.common.environment import plain_values
from daybreak.cli.common.output import print_json


@click.command()
@options.name
@options.as_json
def env(name: str | None, as_json: bool) -> None:
    """Print shell code that reaches the cluster and its databases; secrets stay in their files.

    \b
    Example:
      eval "$(daybreak env)" && python -c 'import ray; ray.init()'
    """
    found = api.environment(name)
    values = plain_values(found, os.environ)
    if as_json:
        print_json({"values": values, "files": found["files"], "unset": found.get("unset", [])})
        return
    for key in found.get("unset", []):
        print(f"unset {key}")
    for key, value in values.items():
        print(f"export {key}={shlex.quote(value)}")
    for key, path in found["files"].items():
        print(f'export {key}="$(cat {shlex.quote(path)})"')
