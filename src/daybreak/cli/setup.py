"""init and schema."""

from __future__ import annotations

import sys
from pathlib import Path

from daybreak.cli.output import print_json


def init(folder: str, name: str | None, force: bool) -> None:
    """Write the starter files."""
    from daybreak.spec.init import write_starter

    for path in write_starter(Path(folder), name=name, force=force):
        print(path)
    print("next: daybreak up", file=sys.stderr)


def schema() -> None:
    """Print the JSON schema."""
    from daybreak.spec.schema import json_schema

    print_json(json_schema())
