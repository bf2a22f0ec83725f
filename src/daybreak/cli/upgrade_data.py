"""daybreak upgrade-data."""

from __future__ import annotations

import sys
import time

import click

from daybreak.api.upgrading import upgrading
from daybreak.cli.common import options, transfer
from daybreak.cli.common.durations import seconds_of
from daybreak.cli.common.moving_line import MovingLine
from daybreak.cli.common.output import confirm, print_json
from daybreak.show.text import seconds


@click.command("upgrade-data")
@transfer.timeout
@options.yes
@options.name
@options.as_json
def upgrade_data(timeout: str, yes: bool, name: str | None, as_json: bool) -> None:
    """Move PostgreSQL's stored data over to the newest version on this machine, after asking.

    The cluster is down, and the version that wrote the data is here, too. It is done by pg_upgrade, into a new folder;
    the old one is kept beside it.

    \b
    Examples:
      daybreak down && daybreak upgrade-data && daybreak up
      daybreak upgrade-data --yes -n shop
    """
    with upgrading(name, timeout_s=seconds_of("--timeout", timeout)) as upgrade, MovingLine(silent=as_json) as line:
        if upgrade is None:
            line.say("the data is of the newest PostgreSQL here: nothing to do")
            if as_json:
                print_json({"upgraded": False})
            return
        old, new = upgrade.old.version, upgrade.new.version
        confirm(f"Move {upgrade.data} from PostgreSQL {old} to {new}? The old folder is kept.", yes=yes)
        began = time.monotonic()
        upgrade.carry_out(line.show)
        took_s = time.monotonic() - began
    if as_json:
        found = {"upgraded": True, "from": old, "to": new, "kept": str(upgrade.kept), "duration_s": round(took_s, 3)}
        print_json(found)
        return
    print(f"PostgreSQL {old} -> {new} after {seconds(took_s)}; next: daybreak up", file=sys.stderr)
    print(f"the old data is in {upgrade.kept}: when all is well, rm -r {upgrade.kept}", file=sys.stderr)
