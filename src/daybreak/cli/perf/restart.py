"""daybreak perf restart."""

from __future__ import annotations

import click

from daybreak import api
from daybreak.cli.common import options
from daybreak.cli.perf.measuring import last_run, repeat, show
from daybreak.errors import UsageError
from daybreak.states import ClusterState
from daybreak.timeline.run import Run


@click.command()
@options.name
@options.runs
@options.as_json
def restart(runs: int, name: str | None, as_json: bool) -> None:
    """Restart the running cluster several times."""
    cluster = api.resolve_name(name)
    if api.status(cluster).state is ClusterState.STOPPED:
        raise UsageError(f"cluster {cluster} is not running", hint="start it with `daybreak up`")
    measured: list[Run] = []

    def once(on_message: api.OnMessage) -> None:
        api.restart(name=cluster, on_message=on_message)
        measured.append(last_run(cluster))

    repeat("restart", runs, once)
    show(measured, as_json)
