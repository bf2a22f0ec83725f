"""daybreak restart."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daybreak import api
from daybreak.cli.common import complete, interrupt, options
from daybreak.cli.common.change import follow
from daybreak.cli.common.given_spec import read_or_stored
from daybreak.errors import DaybreakError, UsageError
from daybreak.names import GATEWAY
from daybreak.spec.find import cluster_here

if TYPE_CHECKING:
    from daybreak.spec import LoadedSpec


@click.command()
@click.argument("services", nargs=-1, metavar="[SERVICE]...", shell_complete=complete.restartable)
@click.option("--app", metavar="NAME", shell_complete=complete.application, help="Deploy that application anew alone.")
@click.option("--redeploy", is_flag=True, help="Replace the applications and your services alone, new ones first.")
@click.option("--replace", is_flag=True, help="Start a new app tier beside the old one, which ends when that serves.")
@click.option("--in-place", is_flag=True, help="Stop the app tier, then start it again.")
@click.option(
    "--keep-old",
    metavar="DURATION",
    help="Keep the old app tier's processes, stopped, so long: `rollback` returns to them at once. Means --replace.",
)
@click.option(
    "--canary",
    metavar="STEPS",
    help="Let a part of the requests go over first, such as 10%,50%, and compare. Means --replace.",
)
@click.option("--rehearse", is_flag=True, help="Ask old and new the last requests first, and compare. Means --replace.")
@click.option(
    "--require-lossless", is_flag=True, help="Exit with 1 where a request was lost meanwhile; the restart stays done."
)
@options.name
@options.file
@options.port_offset
@options.keep
@options.no_hooks
@options.take_over
@options.as_json
@options.verbose
def restart(
    services: tuple[str, ...],
    app: str | None,
    redeploy: bool,
    replace: bool,
    in_place: bool,
    keep_old: str | None,
    canary: str | None,
    rehearse: bool,
    require_lossless: bool,
    name: str | None,
    file: options.Words,
    port_offset: int | None,
    keep: bool,
    no_hooks: bool,
    take_over: bool,
    as_json: bool,
) -> None:
    """Replace the app tier: Serve applications, your services, Ray where needed. Databases stay up.

    Where Ray, its nodes and their environment stay the same the applications are redeployed: new replicas answer before
    the old ones end. Else a new app tier starts beside the old one, which ends when that serves, where two fit; or the
    tier stops and starts again, in place: `daybreak plan --restart` tells. SERVICE... or --app NAME starts those anew.

    \b
    Examples:
      daybreak restart                     after a change of the application's code
      daybreak restart --keep-old 5m       with a way back within a moment; --canary 10%: some of the requests first
      daybreak restart worker-2 api        those alone; --app shop: that application
    """
    beside: dict[str, Any] = {"keep_old": keep_old, "canary": canary, "rehearse": rehearse}
    if services or app:
        others = (*beside.values(), require_lossless, file, port_offset, take_over, no_hooks, services and app)
        _alone(redeploy, replace, in_place, *others)
        follow(_restart_one(services, app, name, keep), as_json=as_json)
        return
    way = _way(redeploy=redeploy, replace=replace or _any(beside.values()), in_place=in_place)
    spec = _wanted(name, file, port_offset, take_over, require_lossless)
    begin = partial(api.restart, spec, name=name, keep=keep, take_over=take_over, way=way, hooks=not no_hooks, **beside)
    _judge(follow(lambda told: begin(on_message=told), as_json=as_json), require_lossless)


def _way(**asked: bool) -> str | None:
    """The way that is asked for. Raises UsageError for two."""
    ways = [name.replace("_", "-") for name, wanted in asked.items() if wanted]
    if len(ways) > 1:
        raise click.UsageError(f"a restart goes one way: {' or '.join(f'--{way}' for way in ways)}")
    return ways[0] if ways else None


def _restart_one(
    services: tuple[str, ...], app: str | None, name: str | None, keep: bool
) -> Callable[[api.OnMessage], api.Cluster]:
    """What restarts services, or an application."""
    if app is not None:
        return lambda told: api.restart_application(app, name=name, keep=keep, on_message=told)
    return lambda told: api.restart_service(services, name=name, keep=keep, on_message=told)


def _wanted(
    name: str | None, file: options.Words, port_offset: int | None, take_over: bool, require_lossless: bool
) -> LoadedSpec | api.ReadSpec | None:
    """The spec that counts, None for the stored one. Raises UsageError where it could not be told whether a request was
    lost, and that is asked for."""
    with interrupt.nothing_started():
        spec = _spec(name, file, port_offset, take_over)
        if require_lossless:
            _require_somebody_who_counts(spec.name if spec else api.resolve_name(name))
    return spec


def _alone(*others: object) -> None:
    """Raise UsageError where something is asked for beside the one that is meant and counts for all of them."""
    if _any(others):
        raise click.UsageError("with SERVICE, or --app, there are only --name, --keep, --json and --verbose")


def _any(asked: Iterable[object]) -> bool:
    """Is anything asked for? An empty text is, too."""
    return any(one not in (None, False, ()) for one in asked)


def _require_somebody_who_counts(name: str) -> None:
    """Raise UsageError where nobody could tell whether a request was lost."""
    snapshot = api.status(name).snapshot
    if snapshot.traffic is None:
        why = f": {snapshot.absent[GATEWAY]}" if GATEWAY in snapshot.absent else ""
        raise UsageError(f"nobody counts the requests of {name}, since it has no gateway{why}; nothing was changed")


def _judge(cluster: api.Cluster, lossless: bool) -> None:
    """Raise DaybreakError where a request was lost, and that was not to be."""
    receipt = cluster.receipt
    if not lossless:
        return
    if receipt is None:
        raise DaybreakError("whether a request was lost is not known: the gateway has not counted; the restart is done")
    if receipt.failed:
        lost = f"{receipt.failed:,} of {receipt.requests:,} requests"
        raise DaybreakError(f"{lost} failed during the restart, which is done")
    if not receipt.complete:
        raise DaybreakError(
            "whether a request was lost is not known: the gateway itself was replaced; the restart is done",
            hint="once more: it is replaced only where its configuration or its program is another one",
        )


def _spec(
    name: str | None, file: options.Words, port_offset: int | None, take_over: bool
) -> LoadedSpec | api.ReadSpec | None:
    """The spec file is read again where there is one. Another folder's cluster, named with -n, is restarted as it is
    wanted there, whatever spec is here. Raises NotRunning where there is nothing to restart."""
    if file is None:
        folder = Path.cwd()
        api.require_something(name or cluster_here(folder))
    if name is not None and file is None and not take_over and api.belongs_elsewhere(name, Path.cwd()):
        return None if port_offset is None else api.load(name=name, port_offset=port_offset, as_stored=True)
    return read_or_stored(None, None, name, file, port_offset)
