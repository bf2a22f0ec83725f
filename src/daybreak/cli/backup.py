"""daybreak backup."""

from __future__ import annotations

import click

from daybreak.api.stored import OTHERS_HINT
from daybreak.api.stored import backup as make
from daybreak.cli.common import options, transfer
from daybreak.cli.common.durations import seconds_of
from daybreak.cli.common.moving_line import MovingLine
from daybreak.cli.common.output import print_json
from daybreak.errors import DaybreakError
from daybreak.show.text import size


@click.command()
@click.argument("file", type=click.Path(), required=False)
@transfer.only
@transfer.timeout
@options.name
@options.as_json
def backup(file: str | None, only: str | None, timeout: str, name: str | None, as_json: bool) -> None:
    """Write what the databases hold into FILE, a new one; a name with the time if absent.

    PostgreSQL's databases and roles, and Redis. The file holds all data, and hashes of passwords: its mode is 0600.

    \b
    Examples:
      daybreak backup
      daybreak backup /backups/           a new file there
      daybreak backup --only postgres shop.zip
      daybreak restore shop.zip           brings it back
    """
    chosen = transfer.names(only)
    with MovingLine(silent=as_json) as line:
        made = make(
            file, name=name, only=chosen, timeout_s=seconds_of("--timeout", timeout), tell=transfer.teller(line)
        )
    left_out = [] if chosen else list(made.manifest.left_out)
    if as_json:
        shown = {"file": str(made.path), "size_bytes": made.size_bytes, **made.manifest.to_json()}
        print_json(shown)
    else:
        print(made.path)
        line.say(f"{', '.join(made.manifest.servers)}: {size(made.size_bytes)}")
    if left_out:
        raise DaybreakError(
            f"the backup was written, and does not hold {', '.join(left_out)}: daybreak cannot back that up",
            hint=f"{OTHERS_HINT}; --only {','.join(made.manifest.servers)} says that it is meant",
        )
