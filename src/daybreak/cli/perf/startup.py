"""daybreak perf startup."""

from __future__ import annotations

import click

from daybreak import api
from daybreak.cli.common import options
from daybreak.cli.perf.measuring import last_run, repeat, show
from daybreak.errors import UsageError
from daybreak.spec.groups import Counts
from daybreak.states import ClusterState
from daybreak.timeline.run import Run


@click.command()
@options.workers
@options.spec
@options.runs
@options.as_json
def startup(
    runs: int,
    workers: Counts | None,
    app: str | None,
    name: str | None,
    file: options.Words,
    port_offset: int | None,
    as_json: bool,
) -> None:
    """Start and stop the cluster several times; it must not be running."""
    spec = api.load(file, name=name, app=app, workers=workers, port_offset=port_offset)
    cluster = spec.spec.name
    if api.status(cluster).state is not ClusterState.STOPPED:
        raise UsageError(f"cluster {cluster} is running", hint="`daybreak down` first, or measure `perf restart`")

    def once(on_message: api.OnMessage) -> None:
        api.up(spec, on_message=on_message)
        measured.append(last_run(cluster))
        api.down(cluster)

    measured: list[Run] = []
    try:
        repeat("start", runs, once)
    except BaseException:  # an interrupt, too, leaves nothing
        api.down(cluster)
        raise
    show(measured, as_json)
