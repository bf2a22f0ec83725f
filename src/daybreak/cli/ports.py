"""daybreak ports."""

from __future__ import annotations

import click

from daybreak.cli.common import options
from daybreak.cli.common.output import print_json
from daybreak.cli.doctor.gathering import gather
from daybreak.errors import UsageError
from daybreak.extras.doctor.port_list import ListedPort, reachable, rows

COLUMNS = ("PORT", "WHAT FOR", "LISTENS", "REACHED FROM")


@click.command()
@options.name
@options.file
@click.option("--firewall", is_flag=True, help="Print the ports that others must reach, as ranges.")
@options.as_json
def ports(name: str | None, file: options.Words, firewall: bool, as_json: bool) -> None:
    """List every port of the cluster: what it is for, who listens there, and from where it is reached.

    A stopped cluster's are those that its next start takes. With `ports: {fixed: true}` in the spec all of Ray's are
    known beforehand.

    \b
    Examples:
      daybreak ports
      daybreak ports --firewall   such as 10100-10399, a line for each range
      daybreak ports --json
    """
    if firewall and as_json:
        raise UsageError("--firewall is plain text: give either --firewall or --json")
    case = gather(None, name, file, None)
    listed = rows(case)
    if firewall:
        for found in reachable(case, listed):
            print(found.start if len(found) == 1 else f"{found.start}-{found.stop - 1}")
        return
    if as_json:
        print_json({"cluster": case.name, "ports": [row.to_json() for row in listed]})
        return
    table = [COLUMNS, *((str(row.port), row.name, _who(row), row.reach) for row in listed)]
    widths = [max(len(line[column]) for line in table) for column in range(len(COLUMNS))]
    for line in table:
        print("  ".join(map(str.ljust, line, widths)).rstrip())


def _who(row: ListedPort) -> str:
    """Who listens; the service where it is the cluster's."""
    if row.free:
        return "-"
    process = f"{row.process or 'a process'} (pid {row.pid})" if row.pid else "somebody"
    if row.own:
        return f"{row.service}, {process}" if row.service else process
    return f"not this cluster: {process}"
