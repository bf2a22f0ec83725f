"""daybreak down."""

from __future__ import annotations

import sys
from functools import partial

import click

from daybreak import api
from daybreak.cli.common import options
from daybreak.cli.common.change import timed
from daybreak.cli.common.durations import seconds_of
from daybreak.cli.common.output import confirm, print_json
from daybreak.cli.common.stored_data import about_to_delete
from daybreak.errors import UsageError
from daybreak.paths import ClusterPaths
from daybreak.show.text import seconds


@click.command()
@click.option("--volumes", is_flag=True, help="Also delete the databases' data, after asking.")
@click.option(
    "--keep-warm",
    metavar="TIME",
    is_flag=False,
    flag_value="10m",
    help="Leave the warm template for so long: an `up` until then is a warm start.  [10m without a TIME]",
)
@options.no_hooks
@options.yes
@options.name
@options.as_json
def down(name: str | None, volumes: bool, keep_warm: str | None, no_hooks: bool, yes: bool, as_json: bool) -> None:
    """Stop everything. Data, logs and measurements stay unless --volumes is given.

    \b
    Examples:
      daybreak down
      daybreak down --keep-warm 1h
      daybreak down --volumes --yes
    """
    warm_s = _seconds(keep_warm) if keep_warm is not None else None
    wanted = api.resolve_name(name)
    if volumes:
        for line in about_to_delete(ClusterPaths.of(wanted)):
            print(line, file=sys.stderr)
        confirm(f"Delete all database data of cluster {wanted}?", yes=yes)
    stop = partial(api.down, wanted, volumes=volumes, keep_warm=warm_s, hooks=not no_hooks)
    done, took_s = timed(lambda on_message: stop(on_message=on_message), as_json=as_json)
    if as_json:
        print_json(done)
        return
    deleted = f"; deleted the data of {', '.join(done['deleted'])}" if done.get("deleted") else ""
    how = f"is down after {seconds(took_s)}" if done else "was down already"
    warm = f"; the template stays for {seconds(warm_s)}" if done.get("status") and warm_s is not None else ""
    print(f"{wanted} {how}{deleted}{warm}", file=sys.stderr)
    if not done:
        from daybreak.cli.common.elsewhere import tell_others

        tell_others(wanted)


def _seconds(text: str) -> float:
    """Raises UsageError for what is no duration, or none at all."""
    found = seconds_of("--keep-warm", text)
    if found <= 0:
        raise UsageError(
            f"--keep-warm: {text} is no time at all; nothing was stopped", hint="such as 10m, 1h30m or 90s"
        )
    return found
