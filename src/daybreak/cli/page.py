"""daybreak page."""

from __future__ import annotations

import click

from daybreak import api
from daybreak.cli.common import options
from daybreak.cli.common.output import print_json
from daybreak.errors import DaybreakError
from daybreak.states import PageState


@click.command()
@click.option("--token", is_flag=True, help="An address that logs in, once, within five minutes.")
@options.name
@options.as_json
def page(name: str | None, token: bool, as_json: bool) -> None:
    """Print the address of the page: what runs, where the seconds went, logs.

    \b
    Examples:
      daybreak page
      xdg-open "$(daybreak page --token)"
    """
    found = api.page(name, login=token)
    if as_json:
        print_json(found)
    elif found["state"] == PageState.LISTENING:
        print(found["login"] or found["url"])
    else:
        hint = "switch it on in the spec" if found["state"] == "off" else "free the port, or choose another: ports.page"
        raise DaybreakError(f"the page is not served: {found['reason'] or 'it is switched off'}", hint=hint)
