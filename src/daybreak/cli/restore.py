"""daybreak restore."""

from __future__ import annotations

import sys
import time

import click

from daybreak.api.stored import restoring
from daybreak.cli.common import options, transfer
from daybreak.cli.common.durations import seconds_of
from daybreak.cli.common.moving_line import MovingLine
from daybreak.cli.common.output import confirm, print_json
from daybreak.extras.backup.manifest import Manifest
from daybreak.show.text import ago, harmless, seconds


@click.command()
@click.argument("file", type=click.Path())
@transfer.only
@transfer.timeout
@options.yes
@options.name
@options.as_json
def restore(file: str, only: str | None, timeout: str, yes: bool, name: str | None, as_json: bool) -> None:
    """Replace what the databases hold by what the backup FILE does, after asking.

    All of the backup is checked before anything changes. PostgreSQL's databases are loaded beside those that are there,
    and take their places all at once; Redis is started anew with its snapshot.

    \b
    Examples:
      daybreak restore shop-20261130-120000.zip
      daybreak pause && daybreak restore shop.zip --yes; daybreak resume
      daybreak restore shop.zip --only postgres -n elsewhere
    """
    chosen, timeout_s = transfer.names(only), seconds_of("--timeout", timeout)
    notes: list[str] = []
    with MovingLine(silent=as_json) as line:

        def note(text: str) -> None:
            notes.append(text)
            line.say(f"note: {text}")

        tell = transfer.teller(line)
        with restoring(file, name=name, only=chosen, timeout_s=timeout_s, tell=tell, note=note) as begun:
            line.say(_what(begun.manifest))
            for effect in begun.effects:
                line.say(effect)
            confirm(f"Replace that in cluster {begun.cluster}?", yes=yes)
            began = time.monotonic()
            begun.carry_out()
    if as_json:
        print_json({"cluster": begun.cluster, "effects": begun.effects, "notes": notes, **begun.manifest.to_json()})
        return
    print(
        f"{harmless(begun.cluster)} holds what the backup does after {seconds(time.monotonic() - began)}",
        file=sys.stderr,
    )


def _what(manifest: Manifest) -> str:
    """Which backup it is."""
    servers = ", ".join(f"{name} {version}" for name, version in manifest.servers.items())
    return f"backup of {manifest.cluster}, {ago(manifest.made, time.time())}: {servers}"
