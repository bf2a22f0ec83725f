"""daybreak alerts."""

from __future__ import annotations

import sys
import time

import click

from daybreak import api
from daybreak.cli.common import options
from daybreak.cli.common.output import print_json
from daybreak.errors import EXIT_FAILED, EXIT_OK
from daybreak.show.alerts import firing_lines, told_lines, tried_lines, trouble_lines
from daybreak.show.text import harmless


@click.command()
@click.option("--test", is_flag=True, help="Send a message that says it is a test; exit code 1 where it is lost.")
@options.name
@options.as_json
def alerts(test: bool, name: str | None, as_json: bool) -> int:
    """List what is wrong and was told to somebody; --test tries whether that arrives.

    `alerts` in the spec says who is told: a webhook, a command, or both.

    \b
    Examples:
      daybreak alerts          what fires now
      daybreak alerts --test   one message to everybody, and what became of it
    """
    cluster = api.resolve_name(name)
    found = api.alerts(cluster, test=test)
    if as_json:
        print_json(found)
    elif test:
        print("\n".join(harmless(line) for line in tried_lines(found)))
    else:
        for line in firing_lines(found, time.time()):
            print(harmless(line))
        nothing = [] if found["firing"] else [f"nothing is wrong with {cluster}"]
        for line in [*nothing, *told_lines(found), *trouble_lines(found)]:
            print(harmless(line), file=sys.stderr)
    return EXIT_OK if all(one["arrived"] for one in found.get("tried", ())) else EXIT_FAILED
