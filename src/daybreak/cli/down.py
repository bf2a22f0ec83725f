"""daybreak down."""

from __future__ import annotations

import sys
from functools import partial

import click

from daybreak import api
from daybreak.cli.common import options
from daybreak.cli.common.change import timed
from daybreak.cli.common.output import confirm, print_json
from daybreak.cli.common.stored_data import about_to_delete
from daybreak.paths import ClusterPaths
from daybreak.show.text import seconds


@click.command()
@click.option("--volumes", is_flag=True, help="Also delete the databases' data, after asking.")
@options.no_hooks
@options.yes
@options.name
@options.as_json
def down(name: str | None, volumes: bool, no_hooks: bool, yes: bool, as_json: bool) -> None:
    """Stop everything. Data, logs and measurements stay unless --volumes is given.

    \b
    Examples:
      daybreak down
      daybreak down --volumes --yes
    """
    wanted = api.resolve_name(name)
    if volumes:
        for line in about_to_delete(ClusterPaths.of(wanted)):
            print(line, file=sys.stderr)
        confirm(f"Delete all database data of cluster {wanted}?", yes=yes)
    stop = partial(api.down, wanted, volumes=volumes, hooks=not no_hooks)
    done, took_s = timed(lambda on_message: stop(on_message=on_message), as_json=as_json)
    if as_json:
        print_json(done)
        return
    deleted = f"; deleted the data of {', '.join(done['deleted'])}" if done.get("deleted") else ""
    how = f"is down after {seconds(took_s)}" if done else "was down already"
    print(f"{wanted} {how}{deleted}", file=sys.stderr)
    if not done:
        from daybreak.cli.common.elsewhere import tell_others

        tell_others(wanted)
