"""daybreak config."""

from __future__ import annotations

import sys
from typing import Any

import click

from daybreak.cli.common import options
from daybreak.cli.common.given_spec import load
from daybreak.cli.common.output import print_json
from daybreak.paths import short
from daybreak.spec.interpolation import escaped


@click.command()
@options.spec
@options.profiles
@options.as_json
def config(
    app: str | None,
    name: str | None,
    file: options.Words,
    port_offset: int | None,
    profiles: options.Words,
    as_json: bool,
) -> None:
    """Print the spec as it is meant: its files laid over one another, its variables filled in.

    What is printed is a spec that means the same: sizes are bytes, durations seconds. Defaults are left out, and so are
    services whose profile is not asked for. Of secrets and env files the names are printed.

    \b
    Examples:
      daybreak config                          what `up` would take
      daybreak config -f base.yaml -f ci.yaml  two files, the second one over the first
      daybreak config --json                   for other programs
    """
    loaded = load(file, name=name, app=app, port_offset=port_offset, profiles=profiles)
    values = _written(loaded.spec.model_dump(mode="json", by_alias=True, exclude_unset=True))
    if loaded.files:
        told = ", ".join(short(str(one)) for one in loaded.files)
        print(f"# {told}" + (f"; profiles: {', '.join(loaded.profiles)}" if loaded.profiles else ""), file=sys.stderr)
    if as_json:
        print_json(values)
        return
    import yaml

    print(yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=120), end="")


def _written(value: Any) -> Any:
    """As it must be written in a spec: a dollar that is meant is no variable, and whole numbers have no point."""
    if isinstance(value, dict):
        return {key: _written(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_written(each) for each in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return escaped(value) if isinstance(value, str) else value
