"""daybreak plan."""

from __future__ import annotations

import click

from daybreak import api
from daybreak.cli.common import options
from daybreak.cli.common.output import print_json


@click.command()
@options.workers
@options.spec
@click.option("--restart", is_flag=True, help="What `restart` would do.")
@options.take_over
@options.as_json
def plan(
    workers: int | None,
    app: str | None,
    name: str | None,
    file: str | None,
    port_offset: int | None,
    restart: bool,
    take_over: bool,
    as_json: bool,
) -> None:
    """Show what `up` would do, and why; changes nothing."""
    spec = api.load(file, name=name, app=app, workers=workers, port_offset=port_offset)
    steps = api.plan(spec, workers=workers, restart=restart, take_over=take_over)
    if as_json:
        print_json(steps)
        return
    for text in steps.get("notes", ()):
        print(f"note   {text}")
    for step in steps["stop"]:
        print(f"stop   {step['service']:<12} {step['why']}")
    for step in steps["start"]:
        needs = f"  after {', '.join(step['needs'])}" if step["needs"] else ""
        print(f"start  {step['service']:<12} {step['why']}{needs}")
    for service in steps["keep"]:
        print(f"keep   {service}")
    if not steps["stop"] and not steps["start"]:
        print("nothing to do")
