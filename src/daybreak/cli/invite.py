"""daybreak invite."""

from __future__ import annotations

import sys
import time

import click

from daybreak import api
from daybreak.cli.common import options
from daybreak.cli.common.change import timed
from daybreak.cli.common.output import print_json
from daybreak.show.text import plural


@click.command()
@click.option(
    "--minutes", type=click.FloatRange(0.1, 7 * 24 * 60), default=15.0, show_default=True, help="How long it counts."
)
@click.option("--uses", type=click.IntRange(1, 1000), default=1, show_default=True, help="For so many machines.")
@click.option("--revoke", is_flag=True, help="End all invitations instead; hosts stay.")
@options.name
@options.as_json
def invite(minutes: float, uses: int, revoke: bool, name: str | None, as_json: bool) -> None:
    """Print the line by which another machine joins the cluster.

    The spec must say at which `address` others reach this machine. Until the first invitation nothing listens there
    for hosts. Who has the line gets Ray's token: pass it on as you would a password.

    \b
    Examples:
      daybreak invite
      daybreak invite --uses 4 --minutes 60
      daybreak invite --revoke
    """
    found, _ = timed(
        lambda on_message: api.invite(name, minutes=minutes, uses=uses, revoke=revoke, on_message=on_message),
        as_json=as_json,
    )
    if as_json:
        print_json(found)
    elif revoke:
        print(f"{plural(found['revoked'], 'invitation')} ended", file=sys.stderr)
    else:
        print(f"daybreak join {found['place']} --token {found['token']}")
        until = time.strftime("%H:%M:%S", time.localtime(found["until"]))
        print(f"counts for {plural(uses, 'machine')} until {until}", file=sys.stderr)
