"""daybreak plan."""

from __future__ import annotations

import click

from daybreak import api
from daybreak.cli.common import options
from daybreak.cli.common.given_spec import read
from daybreak.cli.common.output import print_json
from daybreak.spec.groups import Counts


@click.command()
@options.workers
@options.spec
@options.profiles
@click.option("--restart", is_flag=True, help="What `restart` would do.")
@options.take_over
@options.as_json
def plan(
    workers: Counts | None,
    app: str | None,
    name: str | None,
    file: options.Words,
    port_offset: int | None,
    profiles: options.Words,
    restart: bool,
    take_over: bool,
    as_json: bool,
) -> None:
    """Show what `up` would do, and why; changes nothing."""
    spec = read(file, name=name, app=app, workers=workers, port_offset=port_offset, profiles=profiles)
    steps = api.plan(spec, workers=workers, restart=restart, take_over=take_over)
    if as_json:
        print_json(steps)
        return
    for text in steps.get("notes", ()):
        print(f"note   {text}")
    width = max((len(step["service"]) for step in (*steps["stop"], *steps["start"])), default=0)
    for step in steps["stop"]:
        print(f"stop   {step['service']:<{width}} {step['why']}")
    for step in steps["start"]:
        needs = f"  after {', '.join(step['needs'])}" if step["needs"] else ""
        print(f"start  {step['service']:<{width}} {step['why']}{needs}")
    for service in steps["keep"]:
        print(f"keep   {service}")
    if not steps["stop"] and not steps["start"]:
        print("nothing to do")
